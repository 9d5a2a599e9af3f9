"use strict";
// Connects the page, and builds what its kind needs.
window.shotveil = { topics, shown };
const theme = document.documentElement.dataset;
theme.theme = localStorage.getItem("theme") || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
document.getElementById("theme").onclick = () => {
  theme.theme = theme.theme === "dark" ? "light" : "dark";
  localStorage.setItem("theme", theme.theme);
  for (const redraw of themed) redraw();
};
let built = "";
function build(page) {
  if (built === JSON.stringify(page)) return;
  built = JSON.stringify(page);
  panels.length = 0; themed.length = 0;
  document.getElementById("title").textContent = page.title;
  const main = document.getElementById("page");
  fill(main);
  if (page.kind === "bench") for (let k = 0; k < page.nodes; k++) buildNode(main, k);
  else if (page.kind === "server") buildServer(main);
  else if (page.kind === "client") buildClient(main);
}
const link = document.getElementById("link");
function connect() {
  const socket = new WebSocket(`ws://${location.host}/live`);
  socket.onopen = () => { link.textContent = "live"; link.className = "chip good"; };
  socket.onclose = () => { link.textContent = "no connection to the console"; link.className = "chip bad"; setTimeout(connect, 1000); };
  socket.onmessage = ({ data }) => {
    const changes = JSON.parse(data);
    if (changes.page) build(changes.page);
    if (changes.replay) { link.textContent = `replay, ${changes.replay.at} of ${changes.replay.of} s`; link.className = "chip warn"; }
    told(changes);
  };
}
connect();
