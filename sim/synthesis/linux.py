"""What a board's own Linux needs to load a node and to serve it: files beside the Vivado project.

`node.pyz` is the program that serves the node, in one file for the board's Python; it also turns
Vivado's `top.bit` into the file that Linux loads. `install.sh` does both from a computer with SSH.
"""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

from shotveil.host.devices import bitstream, mailbox, on_board
from shotveil.models.common import checks
from shotveil.models.host_link import mailbox as registers
from shotveil.models.host_link.mailbox import BASE, WINDOW

# In the order of their imports; nothing else is packed, so nothing else may be imported.
MODULES = (checks, registers, bitstream, mailbox, on_board)
MAIN = f"import sys\nfrom {on_board.__name__} import main\nsys.exit(main())\n"
DAY = (1980, 1, 1, 0, 0, 0)  # of every file, so that the program repeats to the bit

OVERLAY = f"""\
// For access by UIO instead of /dev/mem; node.pyz then takes --file /dev/uio0 --base 0.
// Compile it with: dtc -@ -I dts -O dtb -o node.dtbo node.dts
/dts-v1/;
/plugin/;

/ {{
    fragment@0 {{
        target = <&fpga_full>;
        __overlay__ {{
            #address-cells = <1>;
            #size-cells = <1>;
            firmware-name = "node.bit.bin";
        }};
    }};
    fragment@1 {{
        target = <&amba>;
        __overlay__ {{
            #address-cells = <1>;
            #size-cells = <1>;
            shotveil@{BASE:x} {{
                compatible = "generic-uio";
                reg = <{BASE:#x} {WINDOW:#x}>;
            }};
        }};
    }};
}};
"""

INSTALL = """\
#!/bin/sh
# Load the node in this folder onto a board, and serve it there: ./install.sh root@rp-xxxxxx.local
# It needs top.bit, which `vivado -mode batch -source top.tcl` writes. No hardware has seen it yet.
set -eu
[ $# = 1 ] || { echo "usage: $0 USER@HOST" >&2; exit 2; }
board=$1
cd "$(dirname "$0")"
python3 node.pyz bit2bin top.bit node.bit.bin
ssh "$board" 'mkdir -p shotveil'
scp node.pyz node.bit.bin "$board:shotveil/"
ssh "$board" sh -eu <<'BOARD'
cd shotveil
# What uses the logic ends before it changes: an access that nothing answers would hang Linux.
pkill -f 'node.pyz serve' || true
systemctl stop redpitaya_nginx || true
rmdir /configfs/device-tree/overlays/Full 2>/dev/null || true
/opt/redpitaya/bin/fpgautil -b node.bit.bin
cat /sys/class/fpga_manager/fpga0/state
python3 node.pyz check
nohup python3 node.pyz serve >node.log 2>&1 </dev/null &
sleep 1
cat node.log
BOARD
echo "now: ssh -N -L 5025:127.0.0.1:5025 $board, and in another window:"
echo "     shotveil device info tcp:127.0.0.1:5025"
"""


def program() -> bytes:
    """`node.pyz`: a zip of the modules with a beginning, which Python runs as it is."""
    files = {"__main__.py": MAIN}
    for module in MODULES:
        assert module.__file__ is not None
        name = module.__name__.split(".")
        for depth in range(1, len(name)):
            files["/".join([*name[:depth], "__init__.py"])] = ""
        files["/".join(name) + ".py"] = Path(module.__file__).read_text(encoding="utf-8")
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, text in sorted(files.items()):
            archive.writestr(zipfile.ZipInfo(path, DAY), text.encode(), zipfile.ZIP_DEFLATED)
    return b"#!/usr/bin/env python3\n" + packed.getvalue()


def write(folder: Path) -> None:
    """Write program, overlay and installer into the folder of a build."""
    (folder / "node.pyz").write_bytes(program())
    (folder / "node.dts").write_text(OVERLAY, encoding="utf-8")
    script = folder / "install.sh"
    script.write_text(INSTALL, encoding="utf-8")
    script.chmod(0o755)
