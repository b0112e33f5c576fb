// The dashboard's one script. Every page works without it; it adds a theme button, live regions and log tails.
// Contents: theme · relative times · swapping regions · events · polling · log tail · picking runs · controls of charts
"use strict";

// theme: runs before the first paint, because the script is loaded in the head.
const themes = ["system", "light", "dark"];
const stored = () => { try { return localStorage.getItem("nestbox-theme"); } catch { return null; } };
const theme = () => (themes.includes(stored()) ? stored() : "system");
const applyTheme = () => {
  if (theme() === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme();
};
applyTheme();

const setUpTheme = () => {
  const button = document.querySelector("[data-theme-button]");
  const label = () => { button.textContent = `Theme: ${theme()}`; };
  button.hidden = false;
  label();
  button.addEventListener("click", () => {
    const next = themes[(themes.indexOf(theme()) + 1) % themes.length];
    try { localStorage.setItem("nestbox-theme", next); } catch { /* private mode: lasts for this page */ }
    applyTheme();
    label();
  });
};

// relative times: the server writes them once; they age on the page.
const ago = (seconds) => {
  if (seconds < 5) return "just now";
  if (seconds < 60) return `${Math.floor(seconds)} s ago`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 86400) return `${Math.floor(seconds / 3600)} h ago`;
  const days = Math.floor(seconds / 86400);
  return days === 1 ? "yesterday" : days < 60 ? `${days} days ago` : null;
};
const ageTimes = () => {
  for (const element of document.querySelectorAll("time[data-ago]")) {
    const text = ago((Date.now() - Date.parse(element.dateTime)) / 1000);
    if (text && element.textContent !== text) element.textContent = text;
  }
};

// swapping regions: the same page is fetched again, and each [data-live] region takes its new contents. A region the
// user is typing in is left alone.
const swap = (html) => {
  const fresh = new DOMParser().parseFromString(html, "text/html");
  for (const region of document.querySelectorAll("[data-live]")) {
    const next = fresh.querySelector(`[data-live="${CSS.escape(region.dataset.live)}"]`);
    if (!next || next.innerHTML === region.innerHTML) continue;
    const scrolls = [...region.querySelectorAll(".table")].map((box) => box.scrollLeft);
    const held = region.contains(document.activeElement) ? document.activeElement : null;
    if (held && held.matches("input:not([type=checkbox]), select, textarea")) continue;
    const href = held && held.getAttribute("href");
    const box = held && held.matches("input") ? held.value : null;
    const ticked = new Set([...region.querySelectorAll("input[type=checkbox]:checked")].map((input) => input.value));
    region.innerHTML = next.innerHTML;
    for (const input of region.querySelectorAll("input[type=checkbox]")) {
      if (ticked.has(input.value)) input.checked = true;
      if (box === input.value) input.focus({ preventScroll: true });
    }
    region.querySelectorAll(".table").forEach((box, index) => { box.scrollLeft = scrolls[index] || 0; });
    if (href) region.querySelector(`[href="${CSS.escape(href)}"]`)?.focus({ preventScroll: true });
  }
  ageTimes();
};

const fetchText = async (url) => {
  const answer = await fetch(url, { headers: { Accept: "text/html" }, cache: "no-store" });
  if (!answer.ok) throw new Error(`${url}: ${answer.status}`);
  return answer;
};

const notice = () => document.querySelector("[data-offline]");
const setOffline = (isOffline) => { if (notice()) notice().hidden = !isOffline; };

// events: one stream per page, read only while the page is looked at (a browser has few connections per server). A burst
// of events is one refresh, and refreshes never overlap. fetch instead of EventSource, because the latter must be told
// every event name beforehand; here a page names nouns: `job` stands for `job.started`, `job.failed`, …
const setUpEvents = () => {
  const nouns = (document.body.dataset.events || "").split(" ").filter(Boolean);
  if (!nouns.length) return;
  let timer = null, busy = false, again = false, connection = null, pause = 500;
  const refresh = async () => {
    if (busy) { again = true; return; }
    busy = true;
    const began = performance.now();
    try { swap(await (await fetchText(location.href)).text()); } catch { /* the stream tells when the server is back */ }
    busy = false;
    // A page that is costly to make is asked for less often, so that it takes a fifth of the time at the most.
    pause = Math.min(Math.max(500, 4 * (performance.now() - began)), 15000);
    if (again) { again = false; soon(); }
  };
  const soon = () => { timer ??= setTimeout(() => { timer = null; refresh(); }, pause); };
  // What no event tells, such as the rate of requests, is asked for again and again.
  if (document.querySelector("[data-refresh]")) setInterval(() => { if (!document.hidden) refresh(); }, 4000);
  const isWanted = (block) => {
    const kind = /^event: (.*)$/m.exec(block)?.[1] || "";
    return nouns.includes(kind.split(".")[0]);
  };
  const listen = async (signal) => {
    let wait = 1000;
    while (!signal.aborted) {
      try {
        const answer = await fetch("/api/v1/events/stream", { signal, cache: "no-store" });
        if (!answer.ok) throw new Error(`${answer.status}`);
        setOffline(false);
        wait = 1000;
        const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
        for (let text = "";;) {
          const { value, done } = await reader.read();
          if (done) break;
          const blocks = (text + value).split("\n\n");
          text = blocks.pop();
          if (blocks.some(isWanted)) soon();
        }
      } catch { /* told below */ }
      if (signal.aborted) return;
      setOffline(true);
      await new Promise((resume) => setTimeout(resume, wait));
      wait = Math.min(wait * 2, 15000);
      if (!signal.aborted) soon();
    }
  };
  const stop = () => { connection?.abort(); connection = null; };
  const start = () => { stop(); connection = new AbortController(); listen(connection.signal); };
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) stop();
    else { start(); soon(); }
  });
  addEventListener("pagehide", stop);
  addEventListener("pageshow", (event) => { if (event.persisted) start(); });
  if (!document.hidden) start();
};

// polling: [data-poll] names a fragment's address; asked for every two seconds, only while the page is looked at.
const setUpPolling = () => {
  for (const region of document.querySelectorAll("[data-poll]")) {
    const tick = async () => {
      if (!document.hidden) {
        try {
          region.innerHTML = await (await fetchText(region.dataset.poll)).text();
          setOffline(false);
          ageTimes();
        } catch { setOffline(true); }
      }
      setTimeout(tick, 2000);
    };
    setTimeout(tick, 2000);
  }
};

// log tail: text/plain from an offset on; stops when the server says that nothing more will come.
const setUpLogs = () => {
  for (const log of document.querySelectorAll("[data-log]")) {
    let offset = Number(log.dataset.offset || 0);
    if (log.dataset.final === "true") continue;
    const tick = async () => {
      let wait = 1000;
      try {
        const answer = await fetchText(`${log.dataset.log}?offset=${offset}`);
        const atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 24;
        const text = await answer.text();
        if (offset === 0 && text) log.textContent = "";
        offset = Number(answer.headers.get("Nestbox-Next-Offset") || offset);
        if (text) log.append(text);
        if (text && atEnd) log.scrollTop = log.scrollHeight;
        if (answer.headers.get("Nestbox-Log-Final") === "true" && !text) return;
      } catch { wait = 4000; }
      setTimeout(tick, document.hidden ? 5000 : wait);
    };
    log.scrollTop = log.scrollHeight;
    tick();
  }
};

// picking runs: the button of a run table says how many boxes are ticked.
const setUpPicking = () => {
  for (const form of document.querySelectorAll("[data-pick]")) {
    const count = () => {
      const picked = form.querySelectorAll("input[name=run]:checked").length;
      const label = form.querySelector("[data-picked]");
      if (label) label.textContent = picked ? `Compare ${picked} ${picked === 1 ? "run" : "runs"}` : "Compare selected";
    };
    form.addEventListener("change", count);
    new MutationObserver(count).observe(form.querySelector("[data-live]"), { childList: true });
    count();
  }
};

// controls of charts: a change draws again at once, in place; the address says what is shown, as without script.
const setUpControls = () => {
  for (const form of document.querySelectorAll("[data-control]")) {
    let timer = null, asked = 0;
    const draw = async () => {
      timer = null;
      const url = new URL(form.action);
      url.search = new URLSearchParams([...new FormData(form)].filter(([, value]) => value !== "")).toString();
      const turn = ++asked;
      try {
        const text = await (await fetchText(url)).text();
        if (turn !== asked) return;
        history.replaceState(null, "", url);
        swap(text);
      } catch { form.submit(); }
    };
    const soon = () => { clearTimeout(timer); timer = setTimeout(draw, 200); };
    form.addEventListener("input", soon);
    form.addEventListener("submit", (event) => { event.preventDefault(); clearTimeout(timer); draw(); });
  }
};

document.addEventListener("DOMContentLoaded", () => {
  setUpTheme();
  ageTimes();
  setInterval(ageTimes, 15000);
  setUpEvents();
  setUpPolling();
  setUpLogs();
  setUpPicking();
  setUpControls();
});
