"""An S3 server on loopback, moto's, that can be told to fail."""

import contextlib
import dataclasses
import logging
import threading

import boto3
from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server


@dataclasses.dataclass
class Fault:
    """Answers `times` requests whose method and path contain these words, after an event."""

    words: str
    status: str = "503 Slow Down"
    times: int = 10**9
    after: threading.Event | None = None


class Store:
    """The server.

    Attributes:
        environment: what clients need to find it.
        requests: "METHOD /bucket/name" of every request so far.
        faults: a list of `Fault`, those that are still to come.
    """

    def __init__(self, app, port):
        self.app, self.requests, self.faults = app, [], []
        self.environment = {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": "us-east-1",
        }

    def __call__(self, environ, start_response):
        request = f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']}"
        self.requests.append(request)
        for fault in self.faults:
            if fault.words in request and fault.times:
                fault.times -= 1
                if fault.after:
                    fault.after.wait()
                start_response(fault.status, [("Content-Type", "application/xml")])
                code = fault.status.partition(" ")[2].replace(" ", "")
                body = f"<Error><Code>{code}</Code><Message>{code}</Message></Error>"
                return [] if request.startswith("HEAD") else [body.encode()]
        return self.app(environ, start_response)

    def client(self):
        return boto3.client("s3", endpoint_url=self.environment["AWS_ENDPOINT_URL"])

    def names(self, prefix):
        """The names of the objects of the bucket "data" that begin with a prefix."""
        listed = self.client().list_objects_v2(Bucket="data", Prefix=prefix)
        return [one["Key"] for one in listed.get("Contents", [])]


@contextlib.contextmanager
def serving():
    """Gives a `Store` with a bucket "data"."""
    app = DomainDispatcherApplication(create_backend_app)
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = make_server("127.0.0.1", 0, app, threaded=True)
    store = server.app = Store(app, server.server_port)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield store
    finally:
        server.shutdown()
        thread.join()
