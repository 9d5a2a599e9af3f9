"""`shotveil lab hosts`: what it prints, and how it ends."""

import json

from shotveil.sim.loop import hosts


def test_hosts(lab, monkeypatch):
    def run(kills, rng, progress):
        assert kills == 3
        progress(kills)
        return hosts.HostsSeen(3, 20, 1)

    monkeypatch.setattr(hosts, "run", run)
    code, out, _ = lab("hosts", "--kills", "3")
    assert code == 0 and "3 hosts killed, 20 settings written during batches" in out
    code, out, _ = lab("hosts", "--kills", "3", "--json")
    seen = json.loads(out)
    assert seen.pop("seconds") >= 0
    assert seen == {"kills": 3, "survivors": 1, "settings": 20}

    def wrong(kills, rng, progress):
        raise hosts.Wrong("the sums of batch 2 are not those of the model")

    monkeypatch.setattr(hosts, "run", wrong)
    code, _, err = lab("hosts")
    assert code == 1 and "batch 2" in err
