"""The health service: what it says before, while and after a party serves."""

from concurrent.futures import ThreadPoolExecutor

import pytest

pytest.importorskip("grpc")
pytest.importorskip("grpc_health")

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from shotveil.host.operations.health import Health

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


def test_a_probe_and_a_watcher_hear_each_state():
    health = Health("shotveil.v1.Model")
    with ThreadPoolExecutor(4) as pool:
        server = grpc.server(pool)
        health.add_to(server)
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            stub = health_pb2_grpc.HealthStub(channel)

            def said(service=""):
                return stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=20).status

            watched = stub.Watch(health_pb2.HealthCheckRequest(), timeout=60)
            assert next(watched).status == NOT_SERVING and not health.serving
            health.begin()
            assert next(watched).status == SERVING and health.serving
            assert said() == said("shotveil.v1.Model") == SERVING
            with pytest.raises(grpc.RpcError) as refused:
                said("another")
            assert refused.value.code() is grpc.StatusCode.NOT_FOUND
            health.drain()
            assert next(watched).status == NOT_SERVING and not health.serving
            assert said() == said("shotveil.v1.Model") == NOT_SERVING
            watched.cancel()
        server.stop(0).wait()
