"use strict";
// One node of a bench.
const count = (status, name) => { const found = status.counters.find((c) => c.name === name); return found ? found.value.toLocaleString("en") : "–"; };
function buildNode(main, k) {
  const name = (topic) => `${k}/${topic}`;
  const cards = el("div", { class: "cards" });
  const title = el("h2", {}, "");
  main.append(el("section", { class: "group", id: `node${k}` }, title, cards));
  const order = (act, more = {}) => ask({ node: k, act, ...more });

  const light = el("input", { type: "checkbox", id: `light${k}`, checked: true });
  const live = el("button", { type: "button", "aria-pressed": "false", onclick: () => order("live", { on: live.getAttribute("aria-pressed") !== "true" }) }, "Live");
  const buttons = el("div", { class: "row" },
    el("button", { type: "button", onclick: () => order("capture", { light: light.checked }) }, "Capture"),
    el("label", { for: `light${k}` }, light, " with test light"), live,
    el("button", { type: "button", onclick: () => order("calibrate") }, "Calibrate"),
    el("button", { type: "button", onclick: () => order("selftest") }, "Self-test"),
    el("button", { type: "button", class: "stop", onclick: () => order("stop") }, "Stop"));
  const state = el("div", { class: "row" }), note = el("p"), facts = el("div");
  panel(cards, "Node", [name("state"), name("about"), name("note"), name("status")], (body, now, about, said, status) => {
    if (!body.hasChildNodes()) body.append(state, buttons, note, facts);
    title.textContent = about ? `${about.role}'s node at ${about.url}` : now ? now.url : "";
    if (now) {
      const kind = { here: "good", busy: "warn", lost: "bad", opening: "warn" }[now.state];
      const words = { here: "✓ here", busy: "… busy", lost: "✕ lost", opening: "… opening" }[now.state];
      fill(state, el("span", { class: `chip ${kind}`, id: `state${k}` }, words), el("span", { class: "faint" }, now.why));
      const on = now.why === "live" || now.why === "measuring";
      live.setAttribute("aria-pressed", String(on));
    }
    if (said) { note.textContent = said.text; note.className = said.kind; }
    if (status) fill(facts, figure("sequencer", status.state), figure("light", status.armed ? "on" : "off"),
      figure("rows granted and not sent", status.granted_left), figure("symbols waiting in the row buffer", status.buffered));
  });

  let plots = null;
  panel(cards, "Channel", [name("channel"), name("shot")], (body, now, shot) => {
    const unit = shot ? [figure("shot-noise unit, raw", `${digits(shot.unit)} ± ${(100 * shot.error).toFixed(2)} %`), figure("clearance over electronic noise", `${shot.clearance.toFixed(1)} dB`)] : [];
    if (!now) { fill(body, el("p", { class: "faint" }, shot ? "No light was judged yet: capture with test light." : "T̂ and ε̂ need the shot-noise unit: calibrate first."), ...unit); return; }
    const of = (value, error, places) => `${value.toFixed(places)} ± ${error.toFixed(places)}`;
    fill(body,
      el("div", { class: "big", id: `transmittance${k}` }, `T̂ ${of(now.transmittance, now.transmittance_error, 4)}`),
      figure("declared, tolerated from", `${digits(now.declared[0])}, ${digits(now.limits[0])}`), figure("certified, at least", digits(now.transmittance_min)),
      el("div", { class: "big", id: `excess${k}` }, `ε̂ ${of(now.excess_noise, now.excess_noise_error, 4)} SNU`),
      figure("declared, tolerated up to", `${digits(now.declared[1])}, ${digits(now.limits[1])} SNU`), figure("certified, at most", `${digits(now.excess_noise_max)} SNU`),
      el("p", { id: `verdict${k}` }, mark(now.accepted, now.reason)),
      figure("symbols", now.symbols.toLocaleString("en")), ...unit);
  });

  panel(cards, "T̂ and ε̂ over time", [name("series"), name("channel")], (body, series, channel) => {
    if (!series) { if (!body.hasChildNodes()) body.append(el("p", { class: "faint" }, "Nothing was measured yet.")); return; }
    if (!plots) {
      fill(body);
      plots = [linePlot(body, { xlabel: "time (s)", ylabel: "T̂", colours: ["--blue", "--red"], styles: ["", "dash"], height: 150 }),
        linePlot(body, { xlabel: "time (s)", ylabel: "ε̂ (SNU)", colours: ["--blue", "--red"], styles: ["", "dash"], height: 150 })];
      body.append(el("div", { class: "key" }, "full line: estimate; dashed: limit"));
    }
    const time = floats(series.time);
    const flat = (value) => Array.from(time, () => value);
    plots[0].setData([time, holes(floats(series.transmittance)), flat(channel ? channel.limits[0] : null)]);
    plots[1].setData([time, holes(floats(series.excess_noise)), flat(channel ? channel.limits[1] : null)]);
  });

  let dots = null;
  panel(cards, "Constellation", [name("record")], (body, now) => {
    if (!now) { if (!body.hasChildNodes()) body.append(el("p", { class: "faint" }, "Nothing was captured yet.")); return; }
    if (!dots) { fill(body); dots = canvasPlot(body, "Received symbols"); body.append(el("div", { class: "key" }, now.both ? "x across, p upward, behind the matched filter" : "each value across, the next one upward")); }
    const x = floats(now.x), y = floats(now.y), size = Math.max(reach(x), reach(y));
    dots((pen, width, height) => {
      cross(pen, width, height, size, now.unit);
      pen.fillStyle = css("--blue"); pen.globalAlpha = 0.55;
      const scale = Math.min(width, height) / 2 / size;
      for (let i = 0; i < x.length; i++) pen.fillRect(width / 2 + x[i] * scale - 1, height / 2 - y[i] * scale - 1, 2, 2);
      pen.globalAlpha = 1;
    });
  });

  let eye = null;
  panel(cards, "Eye", [name("record")], (body, now) => {
    if (!now) { if (!body.hasChildNodes()) body.append(el("p", { class: "faint" }, "Nothing was captured yet.")); return; }
    if (!eye) { fill(body); eye = canvasPlot(body, "Eye of the first quadrature"); body.append(el("div", { class: "key" }, "two symbols across, behind the matched filter")); }
    const values = floats(now.eye), points = values.length / Math.max(1, now.traces), size = reach(values);
    eye((pen, width, height) => {
      cross(pen, width, height, size, now.unit);
      pen.strokeStyle = css("--blue"); pen.globalAlpha = 0.4;
      for (let t = 0; t < now.traces; t++) {
        pen.beginPath();
        for (let i = 0; i < points; i++) pen.lineTo((i / (points - 1)) * width, (height / 2) * (1 - values[t * points + i] / size));
        pen.stroke();
      }
      pen.globalAlpha = 1;
    });
  });

  let spectrum = null; const levels = el("div");
  panel(cards, "Spectrum", [name("record")], (body, now) => {
    if (!now) { if (!body.hasChildNodes()) body.append(el("p", { class: "faint" }, "Nothing was captured yet.")); return; }
    if (!spectrum) { fill(body); spectrum = linePlot(body, { xlabel: "frequency (MHz)", ylabel: "dB", colours: ["--blue"], height: 230 }); body.append(el("div", { class: "key" }, "0 dB: white noise of one ADC step rms"), levels); }
    spectrum.setData([floats(now.frequency), floats(now.power)]);
    fill(levels, figure("rms and peak of the record", `${digits(now.rms, 3)} and ${now.peak} of ${now.full} ADC steps`));
  });

  let phase = null; const lock = el("div");
  panel(cards, "Lock, phase and drift", [name("status"), name("series")], (body, status, series) => {
    if (!body.hasChildNodes()) body.append(lock);
    if (status) fill(lock,
      figure("frames", status.locked ? "are being found" : "none now"),
      figure("rows of the last batch found again", `${count(status, "frames_matched")} of ${count(status, "rows_sent")}`),
      status.steady === null ? null : figure("phase lock", status.steady ? "steady" : "not steady"),
      figure("phase that symbols are turned by", `${(360 * status.phase).toFixed(1)}°`));
    if (!series) return;
    if (!phase) { phase = [linePlot(body, { xlabel: "time (s)", ylabel: "phase (rad)", colours: ["--blue"], height: 130 }), linePlot(body, { xlabel: "time (s)", ylabel: "drift (rad/s)", colours: ["--orange"], height: 130 })]; }
    const time = floats(series.time);
    phase[0].setData([time, holes(floats(series.phase))]);
    phase[1].setData([time, holes(floats(series.drift))]);
  });

  const bar = el("div", { class: "timeline", role: "img", "aria-label": "Sections of a frame" });
  const words = el("div"), key = el("div", { class: "key" });
  const stack = el("div", { class: "stack" });
  cards.append(stack);
  panel(stack, "Frame", [name("frame"), name("status")], (body, frame, status) => {
    if (!body.hasChildNodes()) {
      body.append(bar, key, words);
      for (const kind of ["preamble", "pilots", "row", "vacuum", "guard"]) {
        const square = el("i"); square.className = ""; const box = el("span", { class: "timeline-key" });
        square.style.background = { preamble: "var(--orange)", pilots: "var(--blue)", row: "var(--soft)", vacuum: "var(--green)", guard: "var(--line)" }[kind];
        box.append(square, kind); key.append(box);
      }
    }
    if (!frame) return;
    const said = JSON.stringify(frame);
    if (bar.dataset.said !== said) {
      bar.dataset.said = said;
      fill(bar, ...frame.sections.map(([kind, length]) => { const part = el("div", { class: kind, title: `${kind}: ${length} symbols` }); part.style.flexGrow = length; return part; }));
    }
    fill(words, figure("length of a frame", `${frame.symbols} symbols`), status ? figure("frames sent, lead-in included", count(status, "frames_sent")) : null);
  });

  panel(stack, "Faults and flags", [name("status")], (body, now) => {
    if (!now) return;
    if (!now.problems.length) { fill(body, mark(true, "none")); return; }
    const kind = { fault: "bad", spoils: "bad", flag: "warn", notice: "faint" }, sign = { fault: "✕ fault", spoils: "✕ spoils", flag: "! flag", notice: "· notice" };
    fill(body, el("table", {}, ...now.problems.map((p) => el("tr", {}, el("td", { class: `${kind[p.role]} sign` }, sign[p.role]), el("td", {}, p.name), el("td", {}, p.means)))));
  });

  panel(cards, "Counters", [name("status")], (body, now) => {
    if (now) fill(body, el("table", {}, ...now.counters.map((c) => el("tr", { title: c.means }, el("td", {}, c.name), el("td", { class: "number" }, c.value.toLocaleString("en")), el("td", { class: "faint" }, c.means)))));
  });

  panel(stack, "Self-test", [name("selftest")], (body, now) => {
    if (!now) { fill(body, el("p", { class: "faint" }, "It compares a batch with the models, to the bit; the node has to hear what it sends.")); return; }
    fill(body, mark(now.good, now.verdict), el("table", {}, ...now.failed.map((f) => el("tr", {}, el("td", {}, f.name), el("td", {}, f.detail)))));
  });

  let drawn = null;
  panel(cards, "Calibration", [name("calibration"), name("about")], (body, now, about) => {
    if (!now) { fill(body, el("p", { class: "faint" }, about && about.role !== "server" ? "A server's node is calibrated here, since its modulator is swept." : "Vacuum and dark records, then a sweep of both arms of the modulator, then delay and phase."), about && !about.shutters ? el("p", { class: "faint" }, "You are asked to block the light; the bench has no shutters of its own.") : null); return; }
    if (!now.done) {
      drawn = null;
      fill(body, el("p", {}, now.prompt || `Measuring: ${now.step}`), now.prompt ? el("button", { type: "button", onclick: () => order("continue") }, "Done, continue") : null);
      return;
    }
    const said = JSON.stringify(now.rows) + now.verdict;
    if (drawn === said) return;
    drawn = said;
    const parts = el("div", { class: "parts" });
    fill(body, el("p", { id: `calibrated${k}` }, mark(now.good, now.verdict)), parts);
    parts.append(el("table", {}, ...now.rows.map(([what, value]) => el("tr", {}, el("td", {}, what), el("td", {}, value)))));
    (now.pictures || []).forEach((picture, arm) => {
      const place = el("div", {}, el("h3", {}, `Arm ${"IQ"[arm]}`));
      parts.append(place);
      const grid = floats(picture.grid), voltages = floats(picture.voltages), measured = floats(picture.measured);
      const x = [...new Set([...grid, ...voltages])].sort((a, b) => a - b);
      const on = (xs, ys) => { const known = new Map(Array.from(xs, (v, i) => [v, ys[i]])); return x.map((v) => (known.has(v) ? known.get(v) : null)); };
      linePlot(place, { xlabel: "voltage over full scale", ylabel: "field (√SNU)", colours: ["--orange", "--blue"], styles: ["", "points"], height: 190 })
        .setData([x, on(grid, floats(picture.fitted)), on(voltages, measured)]);
    });
    if ((now.pictures || []).length) body.append(el("div", { class: "key" }, "dots: measured; line: the fit of a Mach-Zehnder"));
  }, true);

  const rows = new Map();
  panel(cards, "Settings", [name("settings")], (body, now) => {
    if (!now) return;
    if (!rows.size) {
      const groups = [...new Set(now.map((s) => s.group))];
      for (const group of groups) {
        const table = el("table");
        for (const s of now.filter((each) => each.group === group)) {
          const id = `set${k}-${s.name}`;
          const input = s.choices ? el("select", { id }, ...s.choices.map((c) => el("option", {}, c))) : s.switch ? el("input", { id, type: "checkbox" }) : el("input", { id, size: 12, inputmode: "decimal", autocomplete: "off" });
          const value = el("td", { class: "number" });
          const set = () => order("set", { name: s.name, value: s.switch ? input.checked : input.value });
          input.addEventListener("keydown", (event) => event.key === "Enter" && set());
          table.append(el("tr", {}, el("td", { title: s.means }, el("label", { for: id }, s.name), el("div", { class: "faint" }, s.means)), value,
            el("td", {}, el("div", { class: "row" }, input, el("button", { type: "button", onclick: set }, "Set")), s.range ? el("div", { class: "faint" }, `${s.range[0]} to ${s.range[1]} ${s.unit}`) : null)));
          rows.set(s.name, { value, input, fresh: true });
        }
        body.append(el("details", {}, el("summary", {}, group), el("div", { class: "scroll" }, table)));
      }
    }
    for (const s of now) {
      const row = rows.get(s.name), text = typeof s.value === "number" ? String(Number(s.value.toPrecision(9))) : String(s.value);
      if (row.value.textContent !== `${text} ${s.unit}`.trim()) row.value.textContent = `${text} ${s.unit}`.trim();
      if (row.fresh) { row.fresh = false; if (s.switch) row.input.checked = s.value; else row.input.value = s.choices ? s.value : text; }
    }
  }, true);
}
