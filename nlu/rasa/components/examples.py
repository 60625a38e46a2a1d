"""What a training example says beside its text and intent: service, aspect and language."""

from typing import Optional

from rasa.shared.nlu.training_data.message import Message


def label(message: Message, name: str) -> Optional[str]:
    """The value of `metadata: {name: …}` of an example, or of its intent block."""
    metadata = message.data.get("metadata") or {}
    for level in ("example", "intent"):
        found = (metadata.get(level) or {}).get(name)
        if found:
            return str(found)
    return None
