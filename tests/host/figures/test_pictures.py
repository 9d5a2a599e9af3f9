"""Labels and colours of quantities: every column that is drawn as a line has one."""

from shotveil.host.figures import pictures, tables
from shotveil.host.figures.style import style
from shotveil.host.leakage.catalogue import DATA_BOUNDS

IN_ALL = ("weights_in_all_bits", "image_bits")  # in other units, so only in the file


def test_every_leakage_has_a_line_of_its_own():
    for convention in tables.CONVENTIONS:
        for table in (tables.leakage_against_dimension, tables.leakage_against_loss):
            columns = set(table(convention)) - {"dimension", "loss_db", *IN_ALL}
            assert columns <= set(pictures.LINES)
    names = [f"data_leakage_{name}_bits" for name in DATA_BOUNDS]
    assert len({pictures.LINES[name][1:] for name in names}) == len(names)
    assert [pictures.LINES[name][0] for name in names] == [
        f"data, {name}{'' if bound.theorem else ' (estimate)'}"
        for name, bound in DATA_BOUNDS.items()
    ]
    # The published bound on the weights is the same quantity, so it has the same line.
    prx, ours = (pictures.LINES[f"weight_leakage_{name}bits"] for name in ("prx_", ""))
    assert prx[1:] == ours[1:] and prx[0] != ours[0]


def test_lines_are_drawn_as_the_legend_says():
    with style():
        columns = tables.leakage_against_loss("consistent")
        figure = pictures.leakage_against_loss(columns, "consistent", 1.3, 6.0)
    drawn = {line.get_label(): line for line in figure.axes[0].get_lines()}
    for name, values in columns.items():
        if name not in ("loss_db", *IN_ALL):
            label, colour, _ = pictures.LINES[name]
            assert drawn[label].get_color() == colour
            assert (drawn[label].get_ydata() == values).all()
