"""Options from the command line, the environment, a TOML file: which of them holds, what a file
may say."""

import json

import pytest

from shotveil.host.commands.cli import cli, main

LEAKAGE = ["leakage", "--modes", "10", "--rows", "10", "--photons", "6", "--json"]


@pytest.fixture
def run(capsys, tmp_path, monkeypatch):
    """Run a command line in an empty folder; exit code, standard output, standard error."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        with pytest.raises(SystemExit) as end:
            main([str(argument) for argument in arguments])
        printed = capsys.readouterr()
        return end.value.code, printed.out, printed.err

    return run


@pytest.fixture
def gain(run):
    """The gain that a command works with."""

    def gain(*before, after=()):
        code, out, err = run(*before, *LEAKAGE, *after)
        assert code == 0, err
        return json.loads(out)["gain"]

    return gain


def test_the_command_line_comes_before_the_environment_and_that_before_the_file(
    gain, tmp_path, monkeypatch
):
    file = tmp_path / "mine.toml"
    file.write_text("[leakage]\ngain = 1.5\n")
    assert gain("--config", file) == 1.5
    monkeypatch.setenv("SHOTVEIL_LEAKAGE_GAIN", "1.4")
    assert gain("--config", file) == 1.4
    assert gain("--config", file, after=("--gain", "1.3")) == 1.3


def test_the_file_comes_before_the_default(run, tmp_path):
    (tmp_path / "shotveil.toml").write_text("[leakage]\ngain = 1.3\ninferences = 7\n")
    code, out, _ = run(*LEAKAGE)
    assert code == 0 and json.loads(out)["inferences"] == 7


def test_which_file_is_read(gain, tmp_path, monkeypatch):
    """The one of --config, else of SHOTVEIL_CONFIG, else shotveil.toml here."""
    for name, value in (("shotveil.toml", 1.1), ("two.toml", 1.2), ("three.toml", 1.3)):
        (tmp_path / name).write_text(f"[leakage]\ngain = {value}\n")
    assert gain() == 1.1
    monkeypatch.setenv("SHOTVEIL_CONFIG", "two.toml")
    assert gain() == 1.2
    assert gain("--config", "three.toml") == 1.3
    assert gain("--config", "/dev/null", after=("--gain", "1.6")) == 1.6


def test_help_shows_what_the_file_says(run, tmp_path):
    (tmp_path / "shotveil.toml").write_text("[leakage]\ninferences = 77\n")
    _, out, _ = run("leakage", "--help")
    assert "[default: 77]" in " ".join(out.split())


def test_tables_within_tables_and_options_that_may_be_repeated(run, tmp_path):
    (tmp_path / "shotveil.toml").write_text(
        '[keys]\nclient = ["alice", "bob"]\njson = true\n[lab.grants]\nscripts = 0\n'
    )
    code, out, _ = run("keys", "made")
    assert code == 0
    assert {"client-alice.pem", "client-bob.pem"} <= {
        line.split("/")[-1] for line in json.loads(out)["files"]
    }
    code, _, err = run("lab", "grants")
    assert code == 2 and "scripts = 0 is outside" in err


def test_paths_start_at_the_file(run, tmp_path, small_network):
    folder = tmp_path / "folder"
    folder.mkdir()
    small_network.save(folder / "small.npz")
    (folder / "mine.toml").write_text(
        '[infer]\nnetwork = "small.npz"\nreport = "run.html"\ngain = 1.1\nphotons = 9\n'
        '[demo]\nout = "demo.html"\n[figures]\nnetwork = ["mnist", "small.npz"]\n'
    )
    code, _, err = run("--config", folder / "mine.toml", "infer", "--images", 5)
    assert code == 0, err
    assert (folder / "run.html").is_file() and not (tmp_path / "run.html").exists()
    arguments = ["--config", str(folder / "mine.toml"), "registers"]
    with cli.make_context("shotveil", arguments) as context:
        # A shipped network is no file.
        assert context.default_map["figures"] == {"network": ["mnist", f"{folder}/small.npz"]}


@pytest.mark.parametrize(
    "text, said",
    [
        ("gain = 1.3", "mine.toml: the key gain is unknown; allowed: the tables [ask], [attack]"),
        ("[fly]\nhigh = true", "mine.toml: the table [fly] is unknown; allowed: the tables [ask]"),
        ("infer = 3", "mine.toml: the key infer is unknown; allowed: the tables [ask]"),
        ("[infer]\nbeams = 3", "mine.toml: the key beams of [infer] is unknown; allowed: network"),
        ("[infer]\nmax_gain = 3", "the key max_gain of [infer] is unknown"),
        ("[lab.cosmic]\nx = 3", "the table [lab.cosmic] is unknown; allowed: the tables [lab.arc"),
        ("[lab.cosim]\nx = 3", "the key x of [lab.cosim] is unknown; allowed: network, images"),
        ("[ledger]\nx = 3", "the key ledger.x is unknown; allowed: the tables [ledger.adopt]"),
        ('[infer]\ngain = "1.3"', "gain of [infer] = '1.3' is of the wrong type; allowed: a num"),
        ("[infer]\ngain = true", "gain of [infer] = True is of the wrong type; allowed: a number"),
        ("[infer]\nimages = 1.5", "images of [infer] = 1.5 is of the wrong type; allowed: an int"),
        ("[infer]\njson = 1", "json of [infer] = 1 is of the wrong type; allowed: true or false"),
        ("[infer]\nreport = 1", "report of [infer] = 1 is of the wrong type; allowed: a text in"),
        ("[infer]\nimages = [1]", "images of [infer] = [1] is of the wrong type"),
        ("[keys]\nclient = [1]", "client of [keys] = 1 is of the wrong type; allowed: a text in"),
        ('[plan]\ndata-bound = "x"', "data-bound of [plan]: data bound = 'x' is none of holevo"),
        ('[ledger.budget]\nsense = "x"', "sense of [ledger.budget]: "),
        ("[infer", "mine.toml is no TOML: "),
    ],
)
def test_what_no_command_takes_is_refused_whatever_is_run(run, tmp_path, text, said):
    (tmp_path / "mine.toml").write_text(text)
    code, out, err = run("--config", "mine.toml", "registers")
    assert code == 2 and not out
    assert said in err and err.count("\n") == 1


def test_a_file_that_is_not_there(run):
    code, _, err = run("--config", "nothing.toml", "registers")
    assert code == 2 and "nothing.toml cannot be read" in err


def test_options_of_the_environment_exclude_each_other_as_well(run, tmp_path, monkeypatch):
    monkeypatch.setenv("SHOTVEIL_ASK_BATCH", "3")
    code, _, err = run("ask", "--demo", "--device", "model:client", "--calibration", "x.json")
    assert code == 2 and "--batch is given with --device; allowed: one of them" in err
