"""What a Matrix account needs to go on after a restart, and after the loss of its machine."""

import uuid
from datetime import datetime

from sqlalchemy import UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from foundation.db import Base, CityRow, new_id


class MatrixAccount(CityRow, Base):
    """One account of the office on a homeserver. `since` is the sync token up to which all is in the inbox.

    `secrets` is sealed with the installation's own key at "matrix_account.secrets:<id>":
    {"device", "token", "seeds": {"master", "self_signing", "user_signing"}}. It is part of every dump, so
    a restored installation signs its new device with the old seeds and stays the identity people know.
    """

    __tablename__ = "matrix_account"
    __table_args__ = (UniqueConstraint("city_id", "user_id"),)

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    user_id: Mapped[str]
    secrets: Mapped[bytes]
    since: Mapped[str | None]
    saved_at: Mapped[datetime]
