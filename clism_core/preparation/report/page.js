// Browser for the samples and rejects embedded in the page as JSON. Texts are inserted as text nodes, never as HTML.
// The state is kept in the URL fragment (#tab=samples&pair=en-ar&label=GPE), so that views can be linked to.
"use strict";
(() => {
  const PAGE_SIZE = 20;
  const TABS = ["overview", "samples", "rejects", "making"];
  const HUES = 8;
  const REJECTS_PER_REASON = 30;
  const MORE_REJECTS = `The first ${REJECTS_PER_REASON} are shown; filter by language pair or text to see others.`;
  // Characters that change the direction of text or break lines are shown by their code points. Joiners and the marks
  // LRM, RLM and ALM are kept: scripts need them, and their effect is local.
  const CONTROL = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069\u2028\u2029\ufeff]/;

  const byId = (id) => document.getElementById(id);
  const number = (value) => value.toLocaleString("en");
  const plain = (text) => (text || "").normalize("NFKC").toLowerCase();

  const pairs = JSON.parse(byId("data").textContent);
  const samples = pairs.flatMap((pair) => pair.samples.map((sample) => ({ ...sample, pair })));
  const rejects = pairs.flatMap((pair) =>
    Object.entries(pair.rejects).flatMap(([reason, rows]) => rows.map((row) => ({ ...row, reason, pair }))),
  );
  for (const row of [...samples, ...rejects]) row.plain = `${plain(row.source)}\n${plain(row.target)}`;

  // ---- state ----

  const DEFAULTS = { tab: "overview", pair: "", label: "", origin: "", text: "", reason: "", masked: "", page: "1" };
  let state = { ...DEFAULTS };

  function readAddress() {
    const given = new URLSearchParams(location.hash.slice(1));
    state = Object.fromEntries(Object.entries(DEFAULTS).map(([name, value]) => [name, given.get(name) ?? value]));
    if (!TABS.includes(state.tab)) state.tab = DEFAULTS.tab;
  }

  function address() {
    const changed = Object.entries(state).filter(([name, value]) => value !== DEFAULTS[name]);
    return new URLSearchParams(changed).toString();
  }

  function go(changes) {
    state = { ...state, page: "1", ...changes };
    render();
    location.hash = address(); // not history.replaceState, which viewers that sandbox the page may forbid
  }

  // ---- helpers that build elements ----

  function element(name, { className = "", text = null, ...attributes } = {}, children = []) {
    const made = document.createElement(name);
    if (className) made.className = className;
    if (text !== null) made.textContent = text;
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    made.append(...children);
    return made;
  }

  function visible(characters) {
    const parts = [];
    let run = "";
    for (const character of characters) {
      if (CONTROL.test(character)) {
        const code = `U+${character.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}`;
        parts.push(run, element("span", { className: "control", text: code, title: `character ${code}` }));
        run = "";
      } else run += character;
    }
    return [...parts, run].filter((part) => part !== "");
  }

  function fillSelect(select, { all, counts, chosen }) {
    const known = new Map(counts);
    if (chosen && !known.has(chosen)) known.set(chosen, 0);
    const options = [...known].map(([value, count]) =>
      element("option", { value, text: `${value || "(none)"} (${number(count)})` }),
    );
    select.replaceChildren(element("option", { value: "", text: all }), ...options);
    select.value = chosen;
  }

  function counted(values) {
    const counts = new Map();
    for (const value of values) counts.set(value, (counts.get(value) || 0) + 1);
    return [...counts].sort((one, other) => other[1] - one[1] || (one[0] < other[0] ? -1 : 1));
  }

  // ---- samples: text is split at the boundaries of words and spans; offsets are code points ----

  function cut(length, ranges) {
    const ends = new Set([0, length]);
    for (const [start, end] of ranges) ends.add(start).add(end);
    const sorted = [...ends].filter((end) => end >= 0 && end <= length).sort((one, other) => one - other);
    return sorted.slice(1).map((end, place) => [sorted[place], end]);
  }

  const around = (ranges, [start, end]) => ranges.findIndex((range) => range[0] <= start && end <= range[1]);

  function markFor(span, place, side) {
    const mark = element("mark", { className: `hue${place % HUES}`, "data-span": place, "data-side": side });
    const tag = element("span", { className: "tag", dir: "ltr", text: `${span[4]} ${place + 1}` });
    return { mark, tag };
  }

  function sideOf(sample, side, linked) {
    const { lang, dir } = sample.pair[side];
    const paragraph = element("p", { className: "text", lang, dir, "data-side": side });
    const characters = Array.from(sample[side]);
    const words = sample[`${side}_words`];
    const spans = sample.spans.map((span) => (side === "source" ? span.slice(0, 2) : span.slice(2, 4)));
    const isMasked = side === "source" && state.masked === "1";
    let open = -1;
    let into = paragraph;
    let closing = null;
    const close = () => closing && into.append(closing);
    for (const piece of cut(characters.length, [...words, ...spans])) {
      const span = around(spans, piece);
      if (span !== open) {
        close();
        [open, into, closing] = [span, paragraph, null];
        if (span >= 0) {
          const made = markFor(sample.spans[span], span, side);
          paragraph.append(made.mark);
          [into, closing] = [made.mark, made.tag];
          if (isMasked) into.append(element("code", { text: "[QUE]", dir: "ltr" }));
        }
      }
      if (isMasked && span >= 0) continue;
      const shown = visible(characters.slice(...piece));
      const word = around(words, piece);
      if (word < 0) into.append(...shown);
      else {
        const className = linked.has(word) ? "word" : "word unlinked";
        into.append(element("span", { className, "data-word": word, "data-side": side }, shown));
      }
    }
    close();
    return paragraph;
  }

  function card(sample) {
    const links = (sample.alignment || "").split(" ").filter(Boolean).map((link) => link.split("-").map(Number));
    const sides = element("div", { className: "sides" }, [
      sideOf(sample, "source", new Set(links.map(([source]) => source))),
      sideOf(sample, "target", new Set(links.map(([, target]) => target))),
    ]);
    const facts = [sample.sample_id, `origin: ${sample.origin || "none"}`, `${links.length} links`];
    const footer = element("footer", {}, facts.map((fact) => element("bdi", { text: fact })));
    const made = element("article", { className: "sample", tabindex: "0", "aria-label": sample.sample_id }, [sides, footer]);
    made.links = links;
    made.addEventListener("mouseover", (event) => lightUp(made, event.target));
    made.addEventListener("mouseleave", () => clear(made));
    made.addEventListener("click", (event) => lightUp(made, event.target)); // touch screens have no hover
    return made;
  }

  function clear(made) {
    for (const lit of made.querySelectorAll(".lit, .here")) lit.classList.remove("lit", "here");
  }

  function lightUp(made, target) {
    clear(made);
    const word = target.closest(".word");
    const mark = target.closest("mark");
    if (word) lightWord(made, word.dataset.side, Number(word.dataset.word));
    if (mark) for (const other of made.querySelectorAll(`mark[data-span="${mark.dataset.span}"]`)) other.classList.add("lit");
  }

  function lightWord(made, side, word) {
    const [here, there] = side === "source" ? [0, 1] : [1, 0];
    const other = side === "source" ? "target" : "source";
    const lit = [[side, word], ...made.links.filter((link) => link[here] === word).map((link) => [other, link[there]])];
    for (const [where, place] of lit)
      for (const piece of made.querySelectorAll(`.word[data-side="${where}"][data-word="${place}"]`)) piece.classList.add("lit");
  }

  function step(made, by) {
    const words = [...made.querySelectorAll('.word[data-side="source"]')];
    const place = words.findIndex((word) => word.classList.contains("here"));
    const next = place < 0 ? (by > 0 ? 0 : words.length - 1) : Math.min(Math.max(place + by, 0), words.length - 1);
    if (!words.length) return;
    lightUp(made, words[next]);
    words[next].classList.add("here");
  }

  // ---- lists of samples and rejects ----

  const isWanted = (row) => (!state.pair || row.pair.pair === state.pair) && row.plain.includes(plain(state.text));

  function renderSamples() {
    const form = byId("filters").elements;
    const ofPair = samples.filter((sample) => !state.pair || sample.pair.pair === state.pair);
    fillSelect(form.pair, { all: "all", counts: pairs.map((pair) => [pair.pair, pair.samples.length]), chosen: state.pair });
    const labels = ofPair.flatMap((sample) => [...new Set(sample.spans.map((span) => span[4]))]);
    fillSelect(form.label, { all: "all", counts: counted(labels), chosen: state.label });
    const origins = counted(ofPair.map((sample) => sample.origin || "").filter(Boolean));
    fillSelect(form.origin, { all: "all", counts: origins, chosen: state.origin });
    if (document.activeElement !== form.text) form.text.value = state.text;
    form.masked.checked = state.masked === "1";

    const found = samples.filter(
      (sample) =>
        isWanted(sample) &&
        (!state.label || sample.spans.some((span) => span[4] === state.label)) &&
        (!state.origin || sample.origin === state.origin),
    );
    const pages = Math.max(1, Math.ceil(found.length / PAGE_SIZE));
    const page = Math.min(Math.max(1, Number.parseInt(state.page, 10) || 1), pages);
    const from = (page - 1) * PAGE_SIZE;
    byId("cards").replaceChildren(...found.slice(from, from + PAGE_SIZE).map(card));
    const total = pairs.reduce((sum, pair) => sum + pair.sample_count, 0);
    byId("found").textContent =
      `${number(found.length)} of ${number(samples.length)} samples, selected at random from ${number(total)}`;
    byId("page").textContent = `page ${number(page)} of ${number(pages)}`;
    for (const button of document.querySelectorAll("[data-page]")) {
      const next = page + Number(button.dataset.page);
      button.disabled = next < 1 || next > pages;
      button.onclick = () => {
        go({ page: String(next) });
        scrollTo({ top: 0 });
      };
    }
  }

  function rejectedSide(row, side) {
    const text = row[side];
    if (!text) return element("p", { className: "text none", text: text === "" ? "empty" : "not read" });
    const characters = Array.from(text);
    const paragraph = element("p", { className: "text", dir: "auto", lang: row.pair[side].lang }, visible(characters));
    const missing = row[`${side}_characters`] - characters.length;
    if (missing > 0) paragraph.append(element("span", { className: "muted", text: ` … and ${number(missing)} more characters` }));
    return paragraph;
  }

  function rejectedRow(row) {
    const facts = [row.pair.pair, `${row.input.split("/").pop()}, line ${number(row.line)}`, `origin: ${row.origin || "none"}`];
    return element("article", { className: "sample reject" }, [
      element("div", { className: "sides" }, [rejectedSide(row, "source"), rejectedSide(row, "target")]),
      element("footer", {}, facts.map((fact) => element("bdi", { text: fact, title: row.input }))),
    ]);
  }

  function renderRejects() {
    const form = byId("reject-filters").elements;
    const wantedPairs = pairs.filter((pair) => !state.pair || pair.pair === state.pair);
    const totals = new Map();
    for (const pair of wantedPairs)
      for (const [reason, rows] of Object.entries(pair.reject_counts)) totals.set(reason, (totals.get(reason) || 0) + rows);
    const reasons = [...totals].sort((one, other) => other[1] - one[1]);
    const perPair = pairs.map((pair) => [pair.pair, Object.values(pair.reject_counts).reduce((sum, rows) => sum + rows, 0)]);
    fillSelect(form.pair, { all: "all", counts: perPair, chosen: state.pair });
    fillSelect(form.reason, { all: "all", counts: reasons, chosen: state.reason });
    if (document.activeElement !== form.text) form.text.value = state.text;

    const found = rejects.filter((row) => isWanted(row) && (!state.reason || row.reason === state.reason));
    byId("reject-found").textContent =
      `${number(found.length)} of ${number(rejects.length)} rejects, selected at random for each reason`;
    const groups = reasons.map(([reason, rows]) => [reason, rows, found.filter((row) => row.reason === reason)]);
    byId("reject-groups").replaceChildren(
      ...groups
        .filter(([, , shown]) => shown.length)
        .flatMap(([reason, rows, shown]) => [
          element("h2", { text: `${reason} ` }, [element("span", { className: "muted", text: `${number(rows)} ${rows === 1 ? "row" : "rows"}` })]),
          ...shown.slice(0, REJECTS_PER_REASON).map(rejectedRow),
          ...(shown.length > REJECTS_PER_REASON ? [element("p", { className: "muted", text: MORE_REJECTS })] : []),
        ]),
    );
  }

  // ---- page ----

  function render() {
    for (const tab of TABS) {
      const isOpen = tab === state.tab;
      byId(tab).hidden = !isOpen;
      byId(`tab-${tab}`).setAttribute("aria-selected", String(isOpen));
      byId(`tab-${tab}`).tabIndex = isOpen ? 0 : -1;
    }
    if (state.tab === "samples") renderSamples();
    if (state.tab === "rejects") renderRejects();
  }

  function listenTo(form) {
    let timer = 0;
    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("change", ({ target }) => {
      if (target.name !== "text") go({ [target.name]: target.type === "checkbox" ? (target.checked ? "1" : "") : target.value });
    });
    form.elements.text.addEventListener("input", ({ target }) => {
      clearTimeout(timer);
      timer = setTimeout(() => go({ text: target.value }), 150);
    });
  }

  function moveTo(by) {
    const cards = [...document.querySelectorAll("#cards .sample")];
    const next = cards[Math.min(Math.max(cards.indexOf(document.activeElement) + by, 0), cards.length - 1)];
    next?.focus();
    next?.scrollIntoView({ block: "nearest" });
  }

  const KEYS = {
    j: () => moveTo(1),
    k: () => moveTo(-1),
    n: () => document.querySelector('[data-page="1"]').click(),
    p: () => document.querySelector('[data-page="-1"]').click(),
    m: () => go({ masked: state.masked ? "" : "1", page: state.page }),
    "/": () => byId("filters").elements.text.focus(),
  };

  function onKey(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const tab = event.target.closest('[role="tab"]');
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (tab && by) {
      go({ tab: TABS[(TABS.indexOf(state.tab) + by + TABS.length) % TABS.length] });
      byId(`tab-${state.tab}`).focus();
    } else if (event.target.matches("input, select")) return;
    else if (by && event.target.matches("#cards .sample")) step(event.target, by);
    else if (state.tab === "samples" && KEYS[event.key]) KEYS[event.key]();
    else return;
    event.preventDefault();
  }

  for (const tab of TABS) byId(`tab-${tab}`).addEventListener("click", () => go({ tab }));
  for (const button of document.querySelectorAll("[data-browse]"))
    button.addEventListener("click", () => {
      go({ ...DEFAULTS, tab: "samples", pair: button.dataset.browse });
      scrollTo({ top: 0 });
    });
  for (const id of ["filters", "reject-filters"]) listenTo(byId(id));
  document.addEventListener("keydown", onKey);
  window.addEventListener("hashchange", () => {
    if (location.hash.slice(1) === address()) return;
    readAddress();
    render();
  });
  readAddress();
  render();
})();
