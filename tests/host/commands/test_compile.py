"""`shotveil compile`, and three processes' parts of what it wrote."""

import json
from pathlib import Path

import numpy as np
import pytest

from shotveil.host.commands.cli import main
from shotveil.models.networks.network import load_client_part, load_network
from tests.host.compile.models import f32, onnx_model
from tests.host.compile.test_onnx_graph import node


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    nodes = [
        node("Gemm", ["x", "w"], ["a"], "first", transB=1),
        node("Tanh", ["a"], ["b"], "tanh"),
        node("Gemm", ["b", "v"], ["y"], "last", transB=1),
    ]
    Path("m.onnx").write_bytes(onnx_model(nodes, (40,), (3,), w=f32(30, 40), v=f32(3, 30, seed=2)))
    x = f32(200, 40, seed=3)
    np.savez("s.npz", x=x, y=(np.tanh(x @ f32(30, 40).T) @ f32(3, 30, seed=2).T).argmax(axis=1))
    return tmp_path


def run(line, capsys):
    with pytest.raises(SystemExit) as end:
        main(line.split())
    said = capsys.readouterr()
    return end.value.code, said.out, said.err


def test_a_table_a_page_and_two_files(folder, capsys):
    line = "compile m.onnx --samples s.npz --weight-budget 1 --data-budget 0.5 --report r.html"
    code, out, _ = run(line, capsys)
    assert code == 0
    for part in ("private from", "what binds", "first", "last", "server/server.npz"):
        assert part in out
    page = Path("r.html").read_text()
    assert "Where it could be cut" in page and "last (Gemm)" in page and "http" not in page
    server, client = load_network("server/server.npz"), load_client_part("client/client.npz")
    assert server.digest == client.digest and server.plan.withheld

    code, out, _ = run(f"{line} --cut last --finetune s.npz --json", capsys)
    found = json.loads(out)
    assert code == 0 and found["cut"] == "last" and found["weights"] == 90
    assert found["score"] > 0.5 and found["weight_bits"] <= 1

    code, out, _ = run(
        f"{line} --cut last --max-total-bits 5 --max-image-bits 0.5 --transmittance 0.9 --json",
        capsys,
    )
    found = json.loads(out)
    assert code == 0 and found["total_bits"] <= 5 and found["image_bits"] <= 0.5
    assert found["transmittance"] == pytest.approx(0.9) and "weights" in found["binds"]


def test_several_numbers_and_several_labels(folder, capsys):
    """Without a word a model with three outputs answers with classes."""
    with np.load("s.npz") as samples:
        x = samples["x"]
    outputs = np.tanh(x @ f32(30, 40).T) @ f32(3, 30, seed=2).T
    np.savez("v.npz", x=x, y=outputs)
    np.savez("l.npz", x=x, y=(outputs > 1).astype(int))
    line = "compile m.onnx --cut last --weight-budget 1 --data-budget 0.5 --json"
    code, out, _ = run(f"{line} --data v.npz --task values", capsys)
    found = json.loads(out)
    assert code == 0 and found["measure"] == "R²" and 0.9 < found["score"] < 1
    code, out, _ = run(f"{line} --data l.npz --task labels --threshold 1", capsys)
    found = json.loads(out)
    assert code == 0 and found["task"] == "labels" and found["score"] > 0.9
    part = load_client_part("client/client.npz")
    assert part.plan.task.kind == "labels" and part.plan.task.threshold == 1
    code, out, _ = run(f"{line} --data s.npz --task class --classes a,b,c", capsys)
    assert code == 0 and load_client_part("client/client.npz").plan.task.names == ("a", "b", "c")
    _, _, err = run(f"{line} --data v.npz", capsys)
    assert "labels have shape (200, 3); allowed: (n,), a class for each" in err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--samples s.npz --task guess", "task = 'guess' is none of class, binary, labels, values"),
        ("--samples s.npz --classes a,b,c", "--classes or --threshold is given without --task"),
        ("--samples s.npz --cut nowhere", "cut = 'nowhere' is none of auto, first, last"),
        ("--samples s.npz --weight-budget 0", "weight budget = 0"),
        ("--samples none.npz", "none.npz is not found"),
        ("--samples s.npz --lab attic", "lab = 'attic'"),
        ("--samples s.npz --max-total-bits 0", "total budget = 0"),
        ("--samples s.npz --finetune x.csv", "x.csv is not found"),
    ],
)
def test_wrong_options_are_told_in_one_line(folder, capsys, options, message):
    code, out, err = run(f"compile m.onnx {options}", capsys)
    assert code == 2 and message in err and not out
    assert len(err.strip().splitlines()) == 1


@pytest.mark.parametrize("name", ["model.pt", "model.h5", "model.safetensors", "model.pkl"])
def test_a_file_of_another_tool_is_refused_by_what_is_allowed(folder, capsys, name):
    Path(name).write_bytes(b"\x80\x04")
    code, out, err = run(f"compile {name} --samples s.npz", capsys)
    assert code == 2 and not out and len(err.splitlines()) == 1
    assert f"model {name} ends in" in err and "an ONNX file (.onnx)" in err
