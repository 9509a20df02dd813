"""A certificate authority for tests, and the certificates that it issues."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import trustme


class KeyPair(NamedTuple):
    """The files of a certificate and its key."""

    certificate: Path
    key: Path


class Authority:
    """A certificate authority. Its own certificate is the file `ca`; the certificates that it issues are in the same
    folder.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ca = folder / "ca.pem"
        self._authority = trustme.CA()
        self._authority.cert_pem.write_to_path(str(self.ca))

    def issue(self, *names: str, file: str = "", expired: bool = False) -> KeyPair:
        """Issue a certificate for these names. Its files are named after the first name, or `file`, and replace older
        ones.
        """
        until = datetime(2020, 1, 2, tzinfo=UTC) if expired else None
        issued = self._authority.issue_cert(*names, not_before=until and until - timedelta(days=1), not_after=until)
        stem = (file or names[0]).replace("*", "any")
        pair = KeyPair(self.folder / f"{stem}.pem", self.folder / f"{stem}.key")
        # The certificate is last, and each file is renamed into place: whoever watches the folder sees a matching pair.
        for path, content in ((pair.key, issued.private_key_pem), (pair.certificate, issued.cert_chain_pems[0])):
            fresh = path.with_name(f".{path.name}.new")
            fresh.write_bytes(content.bytes())
            fresh.replace(path)
        return pair


def make_authority(folder: Path) -> Authority:
    """Make an authority whose files are in `folder`. Make the folder if it does not exist."""
    folder.mkdir(parents=True, exist_ok=True)
    return Authority(folder)
