"""The picture of loads: a line for each number of clients, in both panels."""

from shotveil.host.figures.load import load_against_servers
from shotveil.host.figures.style import style

POINTS = [(8, 50, 90.0, 0.01, 0.05), (1, 50, 100.0, 0.002, 0.01), (1, 10, 80.0, 0.001, 0.004)]


def test_each_number_of_clients_has_its_lines():
    with style():
        throughput, latency = load_against_servers(POINTS).axes
    ten, fifty = throughput.lines
    assert ten.get_label() == "10 clients a server"
    assert (list(fifty.get_xdata()), list(fifty.get_ydata())) == ([1, 8], [100.0, 90.0])
    drawn = [list(line.get_ydata()) for line in latency.lines]
    assert drawn == [[4.0], [1.0], [10.0, 50.0], [2.0, 10.0]]
    assert [tick for tick in throughput.get_xticks()] == [1, 8]
