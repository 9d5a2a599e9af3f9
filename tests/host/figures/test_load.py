"""The picture of loads: a line for each number of clients and rate, in both panels."""

from shotveil.host.figures.load import LoadPoint, load_against_servers
from shotveil.host.figures.style import style

POINTS = [
    LoadPoint(8, 50, 0.0, 90.0, 0.01, 0.05),
    LoadPoint(1, 50, 0.0, 100.0, 0.002, 0.01),
    LoadPoint(1, 10, 30.0, 30.0, 0.001, 0.004),
    LoadPoint(1, 50, 30.0, 29.0, 0.003, 0.006),
]


def test_each_number_of_clients_and_rate_has_its_lines():
    with style():
        figure = load_against_servers(POINTS)
    throughput, latency = figure.axes
    ten, fifty, slow = throughput.lines
    assert ten.get_label() == "10 clients a server, at 30 a second"
    assert fifty.get_label() == "50 clients a server, without a pause"
    assert (list(fifty.get_xdata()), list(fifty.get_ydata())) == ([1, 8], [100.0, 90.0])
    assert list(slow.get_ydata()) == [29.0]
    drawn = [list(line.get_ydata()) for line in latency.lines]
    assert drawn == [[4.0], [1.0], [10.0, 50.0], [2.0, 10.0], [6.0], [3.0]]
    assert list(throughput.get_xticks()) == [1, 8]
