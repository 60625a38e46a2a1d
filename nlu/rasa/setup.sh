#!/usr/bin/env bash
# Sets up Rasa's own virtualenv (about 2.8 GB) beside this script. Called by `make run`; nothing to do takes milliseconds.
# Rasa 3.6.21 was tried on Python 3.11 and on no other. Without it this says how to get it and ends with 0:
# Foyer works without Rasa, by word lists and the menu.
set -euo pipefail
cd "$(dirname "$0")"

uv=${UV:-../../.tools/bin/uv}
say() { printf 'foyer: %s\n' "$*"; }

certificates=/etc/ssl/certs/ca-certificates.crt
if [ -e "$certificates" ]; then export UV_SYSTEM_CERTS=${UV_SYSTEM_CERTS:-1}; fi

stamp=$(cat uv.lock pyproject.toml | sha256sum | cut -d' ' -f1)
if [ -f .venv/stamp ] && [ "$(cat .venv/stamp)" = "$stamp" ] && .venv/bin/python -c '' 2>/dev/null; then exit 0; fi

python=$(UV_PYTHON_DOWNLOADS=never "$uv" python find --no-project --system 3.11 2>/dev/null || true)
if [ -z "$python" ]; then
  say "Rasa needs exactly Python 3.11, which is missing; until then Foyer understands by word lists and the menu. Run: .tools/bin/uv python install 3.11 && nlu/rasa/setup.sh"
  exit 0
fi

say "fetching Rasa and the sentence encoder into their own virtualenv (2.8 GB on disk, once; minutes on a slow line) …"
began=$SECONDS
UV_PYTHON_DOWNLOADS=never "$uv" sync --frozen --no-progress --quiet --compile-bytecode --python "$python" &
job=$!
while kill -0 "$job" 2>/dev/null; do
  sleep 1
  if ((SECONDS - began >= 10 && (SECONDS - began) % 10 == 0)); then
    say "fetching Rasa … $((SECONDS - began)) s, $(du -sm .venv 2>/dev/null | cut -f1 || true) of about 2800 MB"
  fi
done
if ! wait "$job"; then
  say "Rasa could not be fetched (see above); Foyer works meanwhile by word lists and the menu. Try again: nlu/rasa/setup.sh"
  exit 0
fi
printf %s "$stamp" >.venv/stamp
say "Rasa is ready"
