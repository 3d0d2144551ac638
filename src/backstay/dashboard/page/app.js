// The status page. Reads one document again and again; writes text only, never markup, into the page.

const SILENCE_MS = 3500; // the engine speaks every second: longer silence is a death, and must look like one
const $ = (id) => document.getElementById(id);

let heardAt = 0;
let latest = null;

function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "class") node.className = value;
    else if (name === "at") node.style.setProperty("--at", value); // through the object model: no inline style
    else node.setAttribute(name, value === true ? "" : value);
  }
  for (const child of children.flat()) {
    if (child !== null && child !== undefined) node.append(child);
  }
  return node;
}

// --- words and figures ---------------------------------------------------------------------------

// "1 lot", "2 lots"; `one` and `many` are what follows the figure.
const counted = (count, one, many = `${one}s`) => `${count} ${count === 1 ? one : many}`;

const clock = (iso) => (iso ? iso.slice(11, 19) : "");

function span(seconds) {
  if (seconds === null || seconds === undefined) return "";
  const units = [["d", 86400], ["h", 3600], ["m", 60], ["s", 1]];
  const parts = [];
  let rest = Math.floor(seconds);
  for (const [name, size] of units) {
    const count = Math.floor(rest / size);
    rest -= count * size;
    if (count || (name === "s" && !parts.length)) parts.push(`${count}${name}`);
    if (parts.length === 2) break;
  }
  return parts.join(" ");
}

function price(text) {
  if (text === null || text === undefined || text === "") return "–";
  const [whole, rest] = String(text).split(".");
  // Averages have more digits than anybody reads; the list in the terminal has them all.
  const cents = rest?.slice(0, Math.max(2, 7 - whole.replace("-", "").length)).replace(/0+$/, "");
  const grouped = whole.replace(/\B(?=(\d{3})+(?!\d))/g, "\u2009");
  return cents ? `${grouped}.${cents}` : grouped;
}

// Below a tenth every bit counts; above, nobody reads the decimals.
function distance(percent) {
  return percent ? `${percent < 10 ? percent : price(Math.round(percent))}% away` : "–";
}

function ms(value) {
  if (value >= 1000) return `${(value / 1000).toFixed(1)} s`;
  return value >= 10 ? `${Math.round(value)} ms` : `${Number(value.toPrecision(2))} ms`;
}

// --- positions -------------------------------------------------------------------------------------

// One line from the stop (always left) to the take-profit (always right), with entry, next DCA step and mark.
function rail(row) {
  const marks = [
    ["stop", row.stop.price, "stop"],
    ["dca", row.dca.next_price, "next DCA step"],
    ["entry", row.entry_price, "entry"],
    ["take", row.take_profit.price, "take-profit"],
    ["mark", row.mark_price, "mark price"],
  ].filter(([, value]) => value !== null && value !== undefined);
  const values = marks.map(([, value]) => Number(value));
  const low = Math.min(...values), high = Math.max(...values), range = high - low || 1;
  const place = (value) => {
    const share = (Number(value) - low) / range;
    return `${((row.side === "SHORT" ? 1 - share : share) * 96 + 2).toFixed(2)}%`;
  };
  const label = marks.map(([, value, name]) => `${name} ${value}`).join(", ");
  return el("div", { class: "rail", role: "img", "aria-label": label, title: label },
    marks.map(([kind, value]) => el("i", { class: kind, at: place(value) })));
}

function shield(row) {
  if (row.status === "UNMANAGED") return el("span", { class: "badge quiet" }, "not managed");
  if (row.protected === "yes") {
    return el("span", { class: "badge good", title: `since ${row.protected_since ?? ""}` }, "protected");
  }
  return el("span", { class: "badge bad" }, `NO STOP since ${clock(row.unprotected_since)}`);
}

function pnl(row) {
  const { quote, percent } = row.unrealised_pnl;
  if (quote === null) return el("span", { class: "quiet" }, "–");
  const sign = Number(quote) < 0 ? "loss" : "gain";
  return el("span", { class: sign }, `${Number(quote) > 0 ? "+" : ""}${Number(quote).toFixed(2)}`,
    el("small", {}, ` ${Number(percent) > 0 ? "+" : ""}${percent}%`));
}

function cell(name, ...content) {
  return el("div", { class: "cell" }, el("span", { class: "name" }, name), el("span", { class: "value" }, ...content));
}

const state = (word) => (["ARMED", "LIVE", "PARTIAL"].includes(word) ? null : el("small", { class: "warn" }, ` ${word.toLowerCase()}`));

function position(row) {
  const dca = row.dca.total ? `${row.dca.done} of ${row.dca.total}` : "none";
  const levels = row.take_profit.levels > 1 ? el("small", {}, ` +${row.take_profit.levels - 1}`) : null;
  const settled = ["GUARDED", "UNMANAGED", "UNPROTECTED"].includes(row.status);
  return el("article", { class: `position ${row.protected === "no" && row.status !== "UNMANAGED" ? "naked" : ""}` },
    el("div", { class: "title" },
      el("strong", {}, row.symbol),
      el("span", { class: `side ${row.side.toLowerCase()}` }, row.side.toLowerCase()),
      settled ? null : el("span", { class: "badge warn", title: row.todo ?? "" }, row.status.toLowerCase().replace("_", " ")),
      shield(row)),
    rail(row),
    el("div", { class: "cells" },
      cell("size", price(row.quantity)),
      cell("entry", price(row.entry_price)),
      cell("mark", price(row.mark_price)),
      cell("profit", pnl(row)),
      cell("stop", price(row.stop.price), state(row.stop.state)),
      cell("take-profit", price(row.take_profit.price), state(row.take_profit.state), levels),
      cell("DCA", dca, row.dca.next_price ? el("small", {}, ` next ${price(row.dca.next_price)}`) : null),
      cell("liquidation", distance(row.distance_to_liquidation)),
      cell("age", span(row.age))));
}

// --- lots ------------------------------------------------------------------------------------------

const LOT_GRADES = { SELL_PLACED: "good", COMPLETED: "good", UNSELLABLE: "warn", CLOSED_BY_HAND: "quiet" };
const plain = (word) => word.toLowerCase().replaceAll("_", " ");

// The name of a column stands in each cell too: on a phone a row is a small card without a head.
function td(name, kind, ...content) {
  return el("td", { class: kind, "data-name": name }, ...content);
}

function lot(row) {
  const [symbol, name] = [row.symbol, row.id.slice(row.symbol.length + 1)];
  const ended = row.ended_at !== undefined;
  const note = row.reason ? plain(row.reason) : ended && row.dust ? `dust ${row.dust}` : "";
  const sell = ended || row.sell_price ? [price(row.sell_price)] : [el("span", { class: "quiet" }, "none yet")];
  if (row.sell_order) sell.push(el("small", { class: "order" }, row.sell_order));
  return el("tr", { class: row.flagged ? "flagged" : ended ? "ended" : "" },
    el("th", { scope: "row" }, el("strong", {}, symbol), " ", el("small", {}, name)),
    td("quantity", "figures", row.quantity),
    td("bought at", "figures", price(row.buy_price)),
    td("target", "figures", ended ? "" : price(row.target)),
    td("SELL", "figures sell", ...sell),
    td("state", "state", el("span", { class: `badge ${row.flagged ? "warn" : LOT_GRADES[row.status] ?? "quiet"}` }, plain(row.status)),
      note ? el("small", {}, note) : null),
    td("held", "figures held", span(ended ? row.held : row.age)));
}

function lots(found, counts) {
  $("lots-section").hidden = !found;
  if (!found) return;
  const parts = [["waiting_for_profit", "waits for its price", "wait for their price"], ["sell_placed", "offered", "offered"],
    ["unsellable", "cannot be sold", "cannot be sold"], ["flagged", "waits for your word", "wait for your word"]];
  $("lots-count").textContent = parts.filter(([key]) => counts?.[key]).map(([key, one, many]) => counted(counts[key], one, many)).join(", ")
    || "No lot is open. Each fill of a BUY will be one.";
  const shown = found.open.slice(0, matchMedia("(max-width: 40rem)").matches ? 12 : 40);
  const more = found.more + found.open.length - shown.length;
  $("lots").hidden = !found.open.length && !found.ended.length;
  $("lots-rows").replaceChildren(...[...shown, ...found.ended].map(lot));
  $("lots-more").hidden = !more;
  $("lots-more").textContent = `and ${more} more: backstay positions list`;
}

// --- the rest --------------------------------------------------------------------------------------

function figure(value, name, grade = "", note = "") {
  return el("div", { class: `figure ${grade}` }, el("b", {}, String(value)), el("span", {}, name),
    note ? el("small", {}, note) : null);
}

function figures(status) {
  const counts = status.positions ?? { open: 0, protected: 0, unprotected: 0 };
  const shown = status.demo ?? {};
  const counters = status.counters ?? {};
  const naked = shown.naked_ms ?? status.naked_ms ?? { p50: 0, p99: 0, max: 0, count: 0 };
  const duplicates = shown.duplicates ?? counters.duplicates ?? 0;
  const foreign = shown.foreign_touched ?? counters.foreign_touched ?? 0;
  const managed = counts.protected + counts.unprotected;
  const incidents = status.demo
    ? figure(`${shown.incidents_survived}/${shown.incidents}`, "incidents survived", shown.incidents_survived < shown.incidents - 1 ? "warn" : "")
    : figure(counters.incidents ?? 0, "disturbances met", "");
  return [
    figure(`${counts.protected}/${managed}`, "positions protected", counts.unprotected ? "bad" : managed ? "good" : ""),
    figure(naked.count ? ms(naked.p50) : "–", "without a stop, typically", "",
      naked.count ? `${status.demo && status.demo.speed !== 1 ? "exchange time; " : ""}p99 ${ms(naked.p99)}, longest ${ms(naked.max)}, ${counted(naked.count, "time")}` : "measured at each opening"),
    figure(shown.stops_placed ?? counters.stops_placed ?? 0, "stops placed"),
    figure(duplicates, "orders sent twice", duplicates ? "bad" : ""),
    figure(foreign, "foreign orders touched", foreign ? "bad" : ""),
    incidents,
  ];
}

function works(status) {
  const rows = [];
  const add = (name, value, grade = "") => rows.push(el("dt", {}, name), el("dd", { class: grade }, value));
  const streams = [["", status.streams], ["spot ", status.spot?.streams]]
    .flatMap(([of, states]) => Object.entries(states ?? {}).map(([name, value]) => [of, name, value]));
  for (const [of, name, value] of streams) {
    const stream = name === "orders" ? "order connection" : `${name} stream`;
    add(of + stream, value, value === "up" ? "good" : name === "market" ? "quiet" : "warn");
  }
  if (status.last_event_age_s !== undefined) {
    add("last event", status.last_event_age_s === null ? "none yet" : `${span(status.last_event_age_s)} ago`);
  }
  if (status.clock) add("clock", `${status.clock.offset_ms} ms off, ${status.clock.round_trip_ms} ms there and back`);
  if (status.rate_budget) add("orders sent", `${status.rate_budget.orders_by_ws} by socket, ${status.rate_budget.orders_by_rest} by REST`);
  if (status.counters) {
    const { events, recoveries } = status.counters;
    add("events", `${events} taken in, ${counted(recoveries, "recovery", "recoveries")}`);
  }
  if (status.ledger) add("ledger", counted(status.ledger.records, "record"));
  if (status.uptime_s !== undefined) add("up for", span(status.uptime_s));
  if (status.position_mode) add("position mode", status.position_mode.replace("_", "-"));
  if (status.environment) add("exchange", status.environment);
  for (const review of status.reviews ?? []) add(`manual review: ${review.scope}`, `${review.why}; ${review.todo}`, "bad");
  for (const gate of status.gates ?? []) add(`shut: ${gate.gate.replaceAll("_", " ")}`, gate.todo ? `${gate.reason}; ${gate.todo}` : gate.reason, "warn");
  if (status.version) add("version", status.version);
  return rows;
}

function lines(items) {
  if (!items.length) return [el("li", { class: "quiet" }, "nothing yet")];
  return items.map((item) => el("li", { class: item.grade ?? "" }, el("time", { datetime: item.at }, clock(item.at)),
    el("span", {}, item.text)));
}

const WORDS = { ok: "All well", attention: "Attention", alarm: "Alarm" };

function draw({ status, positions, lots: held }) {
  const health = status.health ?? { grade: "attention", why: "starting" };
  document.body.dataset.health = health.grade;
  $("mode").textContent = status.mode ?? "";
  $("mode").dataset.mode = status.mode ?? "";
  $("account").textContent = status.demo ? `demo, seed ${status.demo.seed}` : (status.account ?? "");
  $("verdict-word").textContent = WORDS[health.grade] ?? health.grade;
  $("verdict-why").textContent = health.why;
  $("figures").replaceChildren(...figures(status));
  $("positions").replaceChildren(...(positions.length ? positions.map(position)
    : [el("p", { class: "empty" }, "No open position. The next one will show here, with its stop.")]));
  lots(held, status.lots);
  $("news").replaceChildren(...lines(status.news ?? []));
  $("works").replaceChildren(...works(status));
  $("story-section").hidden = !status.demo;
  if (status.demo) $("story").replaceChildren(...lines(status.demo.story.slice(0, 14)));
  const naked = status.positions?.unprotected ?? 0;
  document.title = `${naked ? `(${naked} without stop) ` : ""}Backstay`;
}

// --- life and death --------------------------------------------------------------------------------

function pulse() {
  const silence = Date.now() - heardAt;
  const dead = heardAt > 0 && silence > SILENCE_MS;
  document.body.dataset.life = heardAt === 0 ? "waiting" : dead ? "dead" : "alive";
  $("dead").hidden = !dead;
  if (dead) {
    const since = new Date(heardAt).toLocaleTimeString();
    $("dead").textContent = `No sign of life since ${since}. What you see is old. Orders that rest at the exchange `
      + "stay there; nothing follows them up until the program runs again.";
    $("pulse-text").textContent = `silent for ${span(silence / 1000)}`;
    document.title = "DEAD? Backstay";
  } else if (heardAt > 0) {
    $("pulse-text").textContent = `live, ${clock(latest?.status?.now ?? "")}`;
  }
}

function listen() {
  const source = new EventSource("events");
  source.onmessage = (message) => {
    latest = JSON.parse(message.data);
    heardAt = Date.now();
    draw(latest);
    pulse();
  };
}

listen();
setInterval(pulse, 500);
