"""TF Serving's REST interface, port 8501 by default, by Python's own library."""

import base64
import http.client
import json
import urllib.error
import urllib.request

from dmls_tf.client import connection
from dmls_tf.errors import UserError

BUSY = (429, 502, 503, 504)


def connect(server):
    """A function `ask` for a `Server`.

    Raises:
        UserError: by that function, `Unavailable` included: no such server, model or version; a
            faulty request; no response in time.
    """
    address = server.address if "://" in server.address else f"http://{server.address}"
    model = f"{address}/v1/models/{server.model}"
    version = f"/versions/{server.version}" if server.version else ""

    def ask(signature, key, values):
        instances = [{key: {"b64": base64.b64encode(value).decode()}} for value in values]
        body = json.dumps({"signature_name": signature, "instances": instances}).encode()
        connection.check_size(server, len(body))
        predictions = connection.with_retries(lambda left: predict(body, left), server)
        return {name: [_plain(one[name]) for one in predictions] for name in predictions[0]}

    def predict(body, timeout):
        try:
            return exchange(f"{model}{version}:predict", body, timeout)["predictions"]
        except urllib.error.HTTPError as error:
            if error.code == 404:
                raise connection.not_found(server, states(timeout)) from error
            raise connection.refused(server, _reason(error)) from error

    def states(timeout):
        try:
            found = exchange(model, None, timeout)["model_version_status"]
        except urllib.error.HTTPError:
            return {}
        return {int(one["version"]): one["state"] for one in found}

    def exchange(url, body, timeout):
        try:
            request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
            with urllib.request.urlopen(request, timeout=timeout) as response:
                content = response.read(server.max_message + 1)
        except urllib.error.HTTPError as error:
            if error.code in BUSY:
                raise connection.Unavailable(f"{server}: {_reason(error)}") from error
            raise
        except (OSError, http.client.HTTPException, ValueError) as error:  # ValueError: bad address
            reason = getattr(error, "reason", error)
            if isinstance(reason, TimeoutError):
                raise connection.timed_out(server) from error
            raise connection.Unavailable(f"{server.address}: no server there ({reason})") from error
        if len(content) > server.max_message:
            raise UserError(f"{server}: a response of more than {server.max_message} bytes")
        try:
            return json.loads(content)
        except ValueError as error:
            raise UserError(f"{server.address}: not the REST port of TF Serving") from error

    return ask


def _plain(value):
    """A value of a response; bytes are decoded."""
    if isinstance(value, dict):
        return base64.b64decode(value["b64"])
    return value


def _reason(error):
    """The message of an error in the server's JSON, or else its status."""
    try:
        return json.load(error)["error"]
    except (ValueError, KeyError, TypeError, OSError):
        return f"HTTP {error.code} {error.reason}"
