"""In one process the classical channel passes on what is said, and who says it."""

from shotveil.host.parties.local import LocalModel
from shotveil.host.protocol import messages_pb2 as pb


class Listener:
    def __init__(self):
        self.heard = []

    def __getattr__(self, method):
        def answer(message, client):
            self.heard.append((method, message, client))
            return method, message

        return answer


def test_every_message_goes_to_its_method_with_the_clients_name():
    server = Listener()
    model = LocalModel(server, "alice")
    messages = pb.Hello(version=4), pb.LayerRequest(layer=2), pb.Goodbye(session="s")
    for method, message in zip(("open", "run_layer", "close"), messages, strict=True):
        assert getattr(model, method)(message) == (method, message)
        assert server.heard.pop() == (method, message, "alice")
    assert not server.heard
