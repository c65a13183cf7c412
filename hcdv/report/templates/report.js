"use strict";
(() => {
  const byId = (id) => document.getElementById(id);
  const { columns, rows } = JSON.parse(byId("data").textContent);
  const table = byId("rows"), find = byId("find"), chosen = byId("class"), issues = byId("issues");
  const records = [...table.querySelectorAll(".record")];
  const place = Object.fromEntries(columns.map((name, j) => [name, j]).reverse());
  const told = rows.map((row) => row.filter((cell) => cell !== null).join("\n").toLowerCase());
  let order = records.map((_, k) => k);

  const open = (record, isOpen) => {
    record.querySelector(".open").setAttribute("aria-expanded", isOpen);
    record.querySelector(".more").hidden = !isOpen;
  };
  for (const record of records) {
    open(record, false);
    record.querySelector(".open").addEventListener("click", (event) => {
      open(record, event.currentTarget.getAttribute("aria-expanded") === "false");
    });
  }

  const labels = rows.map((row) => (row[place.label] === null ? "" : String(row[place.label])));
  const classes = [...new Set(labels)].filter((name) => name !== "");
  classes.sort((a, b) => a.localeCompare(b, undefined, { numeric: true }));
  for (const name of classes) chosen.add(new Option(name, name));

  const isShown = (k) =>
    (!issues.checked || rows[k][place.is_issue]) &&
    (chosen.selectedIndex === 0 || labels[k] === chosen.value) &&
    told[k].includes(find.value.trim().toLowerCase());
  const shown = () => order.filter(isShown);

  const filter = () => {
    const kept = new Set(shown());
    records.forEach((record, k) => { record.hidden = !kept.has(k); });
    byId("nothing").hidden = kept.size > 0;
    byId("count").textContent = kept.size === rows.length ? `${kept.size} rows` : `${kept.size} of ${rows.length} rows`;
    byId("download").disabled = kept.size === 0;
  };
  for (const control of [find, chosen, issues]) {
    for (const moment of ["input", "change"]) control.addEventListener(moment, filter);
  }
  byId("filters").addEventListener("submit", (event) => event.preventDefault());

  const compare = (a, b) => {
    if (a === null || b === null) return (a === null) - (b === null);
    if (typeof a === "number" && typeof b === "number") return a - b;
    return String(a).localeCompare(String(b), undefined, { numeric: true });
  };
  const heads = [...table.querySelectorAll("[data-sort]")];
  for (const button of heads) {
    button.addEventListener("click", () => {
      const head = button.closest("th");
      const isUp = head.getAttribute("aria-sort") !== "ascending";
      for (const other of heads) other.closest("th").setAttribute("aria-sort", "none");
      head.setAttribute("aria-sort", isUp ? "ascending" : "descending");
      const j = place[button.dataset.sort];
      order.sort((a, b) => (isUp ? 1 : -1) * compare(rows[a][j], rows[b][j]) || a - b);
      table.append(...order.map((k) => records[k]));
    });
  }

  // Text that a spreadsheet would take for a formula is marked as text; some read wide signs like narrow ones.
  const isNumber = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;
  const field = (cell) => {
    if (cell === null) return "";
    if (typeof cell !== "string") return String(cell);
    const text = /^[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]/.test(cell) && !isNumber.test(cell) ? `'${cell}` : cell;
    return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  byId("download").addEventListener("click", () => {
    const lines = [columns, ...shown().map((k) => rows[k])].map((row) => row.map(field).join(","));
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob(["\ufeff", lines.join("\r\n"), "\r\n"], { type: "text/csv" }));
    link.download = "rows.csv";
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  });

  const theme = byId("theme");
  const paint = (isDark) => {
    document.documentElement.dataset.theme = isDark ? "dark" : "light";
    theme.setAttribute("aria-pressed", isDark);
  };
  paint(matchMedia("(prefers-color-scheme: dark)").matches);
  theme.addEventListener("click", () => paint(theme.getAttribute("aria-pressed") === "false"));
  filter();
})();
