// Shows how the queues or the calls are for as long as somebody looks: the server says when something has changed, and this page asks for the part that did.
const now = document.getElementById("now");
const lost = document.getElementById("lost");
let stream = null;
let loaded = performance.now(); // when the seconds on the page were right
let asking = false;
let changed = false;

async function renew() {
  changed = true;
  if (asking) return;
  asking = true;
  try {
    while (changed) {
      changed = false;
      const answer = await fetch(now.dataset.part, { headers: { Accept: "text/html" } });
      if (answer.status === 401 || answer.status === 403) {
        location.reload(); // which leads to the login
        return;
      }
      if (!answer.ok) throw new Error(answer.statusText);
      const text = await answer.text();
      const scrolled = Array.from(now.querySelectorAll(".scroll"), (e) => [e.getAttribute("aria-label"), e.scrollLeft]);
      now.innerHTML = text; // of our own server, which escapes whatever comes from a telephone
      for (const [label, left] of scrolled) {
        const same = Array.from(now.querySelectorAll(".scroll")).find((e) => e.getAttribute("aria-label") === label);
        if (same) same.scrollLeft = left;
      }
      loaded = performance.now();
    }
    lost.hidden = true;
  } catch {
    lost.hidden = false;
  } finally {
    asking = false;
  }
}

function connect() {
  if (stream || document.hidden) return;
  stream = new EventSource(now.dataset.events);
  stream.addEventListener("picture", renew);
  stream.onerror = () => {
    lost.hidden = false;
    if (stream?.readyState !== EventSource.CLOSED) return; // the browser tries again by itself
    disconnect();
    setTimeout(() => {
      renew();
      connect();
    }, 5000);
  };
}

function disconnect() {
  stream?.close();
  stream = null;
}

function tick() {
  const passed = Math.floor((performance.now() - loaded) / 1000);
  for (const e of now.querySelectorAll("[data-seconds], [data-left]")) {
    const seconds = e.dataset.left ? Math.max(Number(e.dataset.left) - passed, 0) : Number(e.dataset.seconds) + passed;
    const two = (n) => String(n).padStart(2, "0");
    e.textContent = `${Math.floor(seconds / 3600)}:${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}`;
  }
}

// A page that nobody sees takes no place from others.
document.addEventListener("visibilitychange", () => (document.hidden ? disconnect() : connect()));
connect();
setInterval(tick, 1000);
