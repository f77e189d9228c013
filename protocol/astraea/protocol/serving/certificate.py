"""The certificate that a server shows, and its renewal while it serves."""

import logging
import ssl
from pathlib import Path
from typing import NamedTuple

from watchfiles import awatch

from ..errors import CertificateError

_logger = logging.getLogger(__name__)


def certificate_files(chain: Path | None, key: Path | None) -> "CertificateFiles | None":
    """The files that `--tls-cert` and `--tls-key` name; None for neither, which is to serve without TLS.

    Raises:
        CertificateError: There is only one of them, or they can't be used.
    """
    if chain is None and key is None:
        return None
    if chain is None or key is None:
        raise CertificateError("--tls-cert and --tls-key need each other")
    files = CertificateFiles(chain, key)
    files.check()
    return files


class CertificateFiles(NamedTuple):
    """A certificate's chain and its private key, PEM."""

    chain: Path
    key: Path

    def check(self) -> None:
        """See whether they can be used.

        Raises:
            CertificateError: One can't be read, or they don't belong together.
        """
        try:
            ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(self.chain, self.key, password="")
        except OSError as error:  # ssl.SSLError is one
            reason = error.strerror or error
            raise CertificateError(f"--tls-cert {self.chain}, --tls-key {self.key}: {reason}") from None

    async def keep_current(self, context: ssl.SSLContext) -> None:
        """Show new connections what is in the files now, for ever; files that can't be used change nothing."""
        async for _ in awatch(*{self.chain.parent, self.key.parent}, recursive=False):
            try:
                self.check()  # apart: a context that took half of a pair would refuse everyone
                context.load_cert_chain(self.chain, self.key, password="")
            except (CertificateError, OSError) as error:
                _logger.warning("the certificate stays what it was: %s", error)
            else:
                _logger.info("the certificate was read again")
