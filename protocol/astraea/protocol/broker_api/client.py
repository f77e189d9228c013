"""Sends calls to a broker, with httpx: it is apart so that the documents can be had without it.

`BrokerApi(httpx.Client(), "http://127.0.0.1:8600").send(calls.instances("plates"))` is a list of instances.
"""

from typing import Any, TypeVar

import httpx
from pydantic import SecretStr

from ..errors import BrokerApiError
from ..problem import Problem
from .calls import Call

T = TypeVar("T")


class _Broker:
    def __init__(self, url: str, key: SecretStr | None) -> None:
        self.url = url.rstrip("/")
        self._headers = {} if key is None else {"authorization": f"Bearer {key.get_secret_value()}"}

    def request(self, call: Call[Any]) -> dict[str, Any]:
        """The arguments for httpx's `request`."""
        headers = dict(self._headers)
        if call.body is not None:
            headers["content-type"] = "application/json"
        return {
            "method": call.method,
            "url": self.url + call.path,
            "params": call.query,
            "content": None if call.body is None else call.body.model_dump_json(),
            "headers": headers,
        }

    def answer(self, call: Call[T], response: httpx.Response) -> T:
        if not response.is_success:
            refusal = f"the broker {self.url} answers {response.status_code}: {_reason(response)}"
            raise BrokerApiError(refusal, status=response.status_code)
        try:
            return call.read(response.content)
        except ValueError as error:
            nonsense = f"the broker {self.url} answers what makes no sense: {str(error).splitlines()[0]}"
            raise BrokerApiError(nonsense) from None

    def away(self, error: Exception) -> BrokerApiError:
        return BrokerApiError(f"the broker {self.url} can't be reached: {error or type(error).__name__}")


class BrokerApi:
    """A broker, called by code that waits for the answer.

    Args:
        http: sends the requests, by its own timeouts; the caller closes it.
        url: the broker's address, e.g. `http://broker.example:8600`.
        key: the caller's own, for a broker that asks for one.
    """

    def __init__(self, http: httpx.Client, url: str, key: SecretStr | None = None) -> None:
        self._http, self._broker = http, _Broker(url, key)

    @property
    def url(self) -> str:
        """The broker's address, without a slash at its end."""
        return self._broker.url

    def send(self, call: Call[T]) -> T:
        """Ask, and return the answer.

        Raises:
            BrokerApiError: the broker can't be reached, refuses, or answers what makes no sense.
        """
        try:
            response = self._http.request(**self._broker.request(call))
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise self._broker.away(error) from None
        return self._broker.answer(call, response)


class AsyncBrokerApi:
    """A broker, called from an event loop; see BrokerApi."""

    def __init__(self, http: httpx.AsyncClient, url: str, key: SecretStr | None = None) -> None:
        self._http, self._broker = http, _Broker(url, key)

    @property
    def url(self) -> str:
        """See BrokerApi.url."""
        return self._broker.url

    async def send(self, call: Call[T]) -> T:
        """See BrokerApi.send."""
        try:
            response = await self._http.request(**self._broker.request(call))
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise self._broker.away(error) from None
        return self._broker.answer(call, response)


def _reason(response: httpx.Response) -> str:
    try:
        problem = Problem.model_validate_json(response.content)
    except ValueError:
        return response.reason_phrase
    return problem.detail or problem.title
