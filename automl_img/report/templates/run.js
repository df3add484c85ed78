// Sorts the leaderboard, shows the images of a cell of the confusion matrix, and highlights one trial in all charts.
"use strict";
document.querySelectorAll("table.sortable").forEach((table) => {
  const body = table.tBodies[0];
  table.querySelectorAll("thead th").forEach((head, column) => {
    const button = head.querySelector("button");
    if (!button) return;
    button.addEventListener("click", () => {
      const descending = head.getAttribute("aria-sort") === "ascending";
      table.querySelectorAll("thead th").forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", descending ? "descending" : "ascending");
      const value = (row) => row.cells[column].dataset.value ?? row.cells[column].textContent.trim();
      const compare = (a, b) => {
        const x = value(a), y = value(b);
        if (x === "" || y === "") return x === y ? 0 : x === "" ? 1 : -1;
        const numeric = !isNaN(x) && !isNaN(y);
        const order = numeric ? x - y : x.localeCompare(y);
        return descending ? -order : order;
      };
      [...body.rows].sort(compare).forEach((row) => body.append(row));
    });
  });
});
document.querySelectorAll("[data-shows]").forEach((button) => {
  button.addEventListener("click", () => {
    const wanted = document.getElementById(button.dataset.shows);
    document.querySelectorAll(".confused").forEach((one) => { one.hidden = one !== wanted; });
    document.querySelectorAll("[data-shows]").forEach((one) => { one.setAttribute("aria-pressed", String(one === button)); });
    wanted.scrollIntoView({ block: "nearest", behavior: "smooth" });
  });
});
const groups = document.querySelectorAll("[data-group]");
const light = (group) => groups.forEach((one) => one.classList.toggle("lit", group !== "" && one.dataset.group === group));
groups.forEach((one) => {
  for (const event of ["mouseenter", "focusin"]) one.addEventListener(event, () => light(one.dataset.group));
  for (const event of ["mouseleave", "focusout"]) one.addEventListener(event, () => light(""));
});
document.documentElement.classList.add("scripted");
