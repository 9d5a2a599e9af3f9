"use strict";
// The pages of the parties: what the model owner's ledger says, and what the data owner's files say.
const bits = (value) => (value === null || value === undefined ? "–" : Number(value).toPrecision(4));
function gauge(value, most) {
  const share = most > 0 ? Math.max(0, Math.min(1, value / most)) : value > 0 ? 1 : 0;
  const inner = el("div");
  inner.style.width = `${100 * share}%`;
  return el("div", { class: value > most ? "bar over" : "bar", role: "meter", "aria-valuemin": 0, "aria-valuemax": most, "aria-valuenow": value, "aria-label": "share of the budget" }, inner);
}
const trouble = (cards) => panel(cards, "Files", ["trouble"], (body, now) => fill(body, now ? el("p", { class: "bad" }, `✕ ${now}`) : mark(true, "read, unbroken")));

function buildServer(main) {
  const cards = el("div", { class: "cards" });
  main.append(el("section", { class: "group" }, el("h2", {}, "Model owner"), cards));
  const stack = el("div", { class: "stack" });
  cards.append(stack);
  panel(stack, "Throughput", ["rate", "head"], (body, rate, head) => {
    if (rate) fill(body, el("div", { class: "big", id: "rate" }, `${rate.images_per_second.toFixed(1)} images a second`), figure("images and checks since the console began", rate.images.toLocaleString("en")), head ? figure("events in the ledger", head.events.toLocaleString("en")) : null);
  });
  const plots = new Map();
  panel(cards, "Budgets", ["networks"], (body, networks) => {
    if (!networks) return;
    if (!networks.length) { fill(body, el("p", { class: "faint" }, "No network was served from this ledger yet.")); return; }
    const old = [...body.querySelectorAll(".network")];
    if (old.length !== networks.length) { fill(body); plots.clear(); }
    networks.forEach((n, k) => {
      if (!plots.has(k)) {
        const facts = el("div"), holder = el("div", { class: "network" }, facts);
        body.append(holder);
        const plot = linePlot(holder, { xlabel: "time (s)", ylabel: "bits per weight", colours: ["--blue", "--orange", "--green", "--red"], styles: ["", "", "", "dash"], height: 170 });
        holder.append(el("div", { class: "key" }, "blue: declared; orange: estimated; green: certified; dashed: budget"));
        plots.set(k, { facts, plot });
      }
      const { facts, plot } = plots.get(k), b = n.budget, sense = b ? b.sense : "declared";
      fill(facts, el("h3", {}, `${n.network} ${n.digest}`),
        el("div", { class: "big", id: k ? null : "spent" }, `${bits(n.bits[sense])} ${b ? `of ${bits(b.bits)} ` : ""}bits per weight`),
        b ? gauge(n.bits[sense], b.bits) : el("p", { class: "warn" }, "! no budget is set"),
        b ? figure("left", `${bits(Math.max(0, b.bits - n.bits[sense]))} bits, ${n.left[sense] === null ? "unknown" : n.left[sense].toLocaleString("en")} inferences`) : null,
        figure("declared, estimated, certified", `${bits(n.bits.declared)}, ${bits(n.bits.estimated)}, ${bits(n.bits.certified)}`),
        figure("bits of all weights, declared", bits(n.total_bits.declared)),
        figure("sessions, open now", `${n.sessions.toLocaleString("en")}, ${n.open}`),
        figure("rows sent, never verified", `${n.rows_sent.toLocaleString("en")}, ${n.never_verified.toLocaleString("en")}`),
        figure("certificates fail with", `≤ ${n.failure_probability.toPrecision(2)}`));
      const time = floats(n.history.time);
      plot.setData([time, ...["declared", "estimated", "certified"].map((s) => holes(floats(n.history[s]))), Array.from(time, () => (b ? b.bits : null))]);
    });
  });
  panel(stack, "Clients", ["networks"], (body, networks) => {
    if (!networks) return;
    const rows = networks.flatMap((n) => n.clients.map((c) => {
      const sense = c.budget ? c.budget.sense : "declared";
      return el("tr", {}, el("td", {}, c.client), el("td", {}, n.network), el("td", {}, `${bits(c.bits[sense])}${c.budget ? ` of ${bits(c.budget.bits)}` : ""}`, c.budget ? gauge(c.bits[sense], c.budget.bits) : null), el("td", {}, c.refused ? mark(false, "refused") : mark(true, "admitted")));
    }));
    fill(body, rows.length ? el("div", { class: "scroll" }, el("table", {}, el("tr", {}, el("th", {}, "client"), el("th", {}, "network"), el("th", {}, "bits per weight"), el("th", {}, "")), ...rows)) : el("p", { class: "faint" }, "No client has asked yet."));
  });
  panel(cards, "Verification", ["evidence"], (body, now) => {
    if (!now) return;
    if (!now.length) { fill(body, el("p", { class: "faint" }, "No light has returned yet.")); return; }
    fill(body, ...now.map((each) => el("div", { "data-client": each.client },
      el("h3", {}, `Client ${each.client}`),
      el("p", { class: "verdict" }, each.refused ? mark(false, `refused: ${each.refused}`) : mark(true, "what returned agrees with what was declared")),
      el("div", { class: "figure" }, el("span", {}, `evidence of excess noise, ln E of ${each.limit.toFixed(1)}`), el("span", { class: "lnexcess" }, each.excess.toFixed(1))), gauge(each.excess, each.limit),
      el("div", { class: "figure" }, el("span", {}, `evidence of loss, ln E of ${each.limit.toFixed(1)}`), el("span", { class: "lnloss" }, each.loss.toFixed(1))), gauge(each.loss, each.limit),
      el("div", { class: "scroll" }, el("table", {}, el("tr", {}, el("th", {}, "layer"), el("th", {}, "T̂, declared"), el("th", {}, "ε̂ (SNU), declared")),
        ...each.light.map((l) => el("tr", {}, el("td", {}, l.layer),
          el("td", { class: "t" }, l.declared ? `${l.transmittance.toFixed(5)} ± ${l.transmittance_error.toPrecision(1)}, ${l.declared[0].toFixed(5)}` : "–"),
          el("td", { class: "e" }, l.declared ? `${l.excess_noise.toFixed(5)} ± ${l.excess_noise_error.toPrecision(1)}, ${l.declared[1].toPrecision(2)}` : "–"))))))));
  });
  panel(cards, "Last events", ["events"], (body, now) => {
    if (now) fill(body, now.length ? el("table", {}, ...now.slice().reverse().map((e) => el("tr", {}, el("td", { class: "faint" }, new Date(1000 * e.time).toTimeString().slice(0, 8)), el("td", {}, e.text)))) : el("p", { class: "faint" }, "Nothing since this page's process began."));
  });
  trouble(stack);
}

function buildClient(main) {
  const cards = el("div", { class: "cards" });
  main.append(el("section", { class: "group" }, el("h2", {}, "Data owner"), cards));
  const stack = el("div", { class: "stack" });
  cards.append(stack);
  panel(stack, "Progress", ["progress"], (body, now) => {
    fill(body, ...(now ? [el("div", { class: "big", id: "rate" }, `${now.images_per_second.toFixed(1)} images a second`), figure("images done", `${now.done.toLocaleString("en")} of ${now.of.toLocaleString("en")}`), gauge(now.done, now.of)] : [el("p", { class: "faint" }, "Nothing was asked yet.")]));
  });
  panel(cards, "Last images", ["answers"], (body, now) => {
    if (!now) { fill(body, el("p", { class: "faint" }, "No answers yet; `shotveil ask --journal` writes them.")); return; }
    fill(body, el("p", { class: "faint" }, `network ${now.network}`), el("div", { class: "digits" }, ...now.pictures.map((picture, k) => {
      const outputs = now.outputs[k], most = Math.max(...outputs.map(Math.abs), 1e-9);
      const holder = el("figure", {});
      if (picture.length) {
        const canvas = el("canvas", { class: "digit", width: now.side, height: now.side, role: "img", "aria-label": `image ${k + 1}` });
        const pen = canvas.getContext("2d"), data = pen.createImageData(now.side, now.side);
        picture.forEach((grey, i) => data.data.set([grey, grey, grey, 255], 4 * i));
        pen.putImageData(data, 0, 0);
        holder.append(canvas);
      }
      const bars = el("div", { class: "outputs", title: outputs.map((v, i) => `${i}: ${v}`).join("\n") }, ...outputs.map((v) => { const bar = el("i"); bar.style.height = `${Math.max(1, 24 * Math.max(0, v) / most)}px`; return bar; }));
      holder.append(el("figcaption", { class: "big" }, String(now.predictions[k])), bars);
      return holder;
    })));
  });
  panel(cards, "What leaked of the images", ["data"], (body, now) => {
    if (!now) { fill(body, el("p", { class: "faint" }, "There is no ledger yet.")); return; }
    const counted = now.bounds.find((b) => b.bound === now.counted);
    fill(body, el("div", { class: "big", id: "leaked" }, `at most ${bits(counted.image_most)} bits of an image`), figure("images in the ledger, charges", `${now.images.toLocaleString("en")}, ${now.charges.toLocaleString("en")}`),
      el("div", { class: "scroll" }, el("table", {}, el("tr", {}, el("th", {}, "bound"), el("th", {}, "bits per element, most"), el("th", {}, "bits of an image, mean and most")),
        ...now.bounds.map((b) => el("tr", {}, el("td", {}, b.bound + (b.theorem ? ", proved" : ", estimate")), el("td", {}, bits(b.most)), el("td", {}, `${bits(b.image_mean)}, ${bits(b.image_most)}`))))));
  });
  panel(cards, "Checks of the server's light", ["checks"], (body, now) => {
    if (!now) { fill(body, el("p", { class: "faint" }, "None yet.")); return; }
    fill(body, now.count ? mark(!now.warnings, now.warnings ? `${now.warnings} warnings` : "the light is as coherent light has to be") : el("p", { class: "faint" }, "no checks were made"),
      figure("probe variance, coherent light has", `${digits(now.variance)}, ${digits(now.expected)} SNU`), figure("brightness over what is declared", digits(now.brightness, 3)), figure(`one inference tells (${now.bound})`, `${bits(now.image_bits)} bits of an image`));
  });
  panel(stack, "Receipts", ["receipts"], (body, now) => {
    fill(body, ...(now && now.count ? [mark(now.rising, now.rising ? "the server's ledger only ever grew" : "the server's ledger went back"), figure("receipts", now.count), figure("server's ledger", now.ledger), figure("its events at the last receipt", now.events.toLocaleString("en"))] : [el("p", { class: "faint" }, "There are no receipts yet.")]));
  });
  trouble(stack);
}
