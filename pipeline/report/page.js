"use strict";
(function () {
  const root = document.documentElement;
  const system = window.matchMedia("(prefers-color-scheme: dark)");

  // Colours after Okabe and Ito, which those who see colours differently tell apart; the dark ones are lighter.
  const PALETTES = {
    light: {
      ink: "#18212f", grid: "#e3e7ee", zero: "#aab4c3",
      student: "#0072b2", ensemble: "#3d4a5c", teacher: "#8492a6",
      stage1: "#e69f00", stage2: "#0072b2", stage3: "#009e73",
      inferior: "#b2500a", worse: "#eda353", similar: "#b9c3d1", better: "#7db8dd", superior: "#00578a",
      before: "#b9c3d1", after: "#0072b2", target: "#18212f",
      diverging: [[0, "#f0a45c"], [0.5, "#f6f7f9"], [1, "#6fb4e3"]], // the text on it is ink
    },
    dark: {
      ink: "#e8edf4", grid: "#2d3846", zero: "#5b6a7e",
      student: "#56b4e9", ensemble: "#d5dde8", teacher: "#8897ab",
      stage1: "#f0b53c", stage2: "#56b4e9", stage3: "#2fc598",
      inferior: "#e0782c", worse: "#9a6a3a", similar: "#55637a", better: "#3f7ba4", superior: "#6cbcf0",
      before: "#5b6a7e", after: "#56b4e9", target: "#e8edf4",
      diverging: [[0, "#8f4d12"], [0.5, "#1c2532"], [1, "#145a8c"]],
    },
  };
  const CONFIG = { displayModeBar: false, responsive: true, doubleClick: false, scrollZoom: false };
  const figures = JSON.parse(document.getElementById("figures").textContent);

  function mode() {
    return root.dataset.mode || (system.matches ? "dark" : "light");
  }

  /** A copy of a figure in the colours of a palette: the value of every key that names a colour is looked up. */
  function coloured(value, palette, key) {
    if (typeof value === "string" && value.startsWith("@") && /color/i.test(key)) return palette[value.slice(1)];
    if (Array.isArray(value)) return value.map((one) => coloured(one, palette, key));
    if (value === null || typeof value !== "object") return value;
    return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, coloured(one, palette, name)]));
  }

  function draw() {
    const palette = PALETTES[mode()];
    const axis = { gridcolor: palette.grid, zerolinecolor: palette.zero, linecolor: palette.zero, fixedrange: true };
    for (const place of document.querySelectorAll("[data-figure]")) {
      const { data, layout } = coloured(figures[place.dataset.figure], palette, "");
      const margin = { l: 8, r: 12, t: layout.showlegend ? 30 : 8, b: 8, pad: 4 };
      const theme = {
        ...layout, margin, dragmode: false, paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
        font: { color: palette.ink, size: 12, family: getComputedStyle(document.body).fontFamily },
        xaxis: { ...axis, ...layout.xaxis }, yaxis: { ...axis, ...layout.yaxis },
        hoverlabel: { font: { family: getComputedStyle(document.body).fontFamily } },
      };
      window.Plotly.react(place, data, theme, CONFIG);
    }
  }

  function switchMode() {
    const button = document.getElementById("mode");
    function show() {
      button.setAttribute("aria-pressed", String(mode() === "dark"));
      draw();
    }
    button.addEventListener("click", () => {
      root.dataset.mode = mode() === "dark" ? "light" : "dark";
      show();
    });
    system.addEventListener("change", show);
    show();
  }

  /** Clips run while they are on the screen, both of a pair from the beginning, unless the reader wants none to move. */
  function playClips() {
    const button = document.getElementById("play");
    if (!button) return;
    let wanted = !window.matchMedia("(prefers-reduced-motion: reduce)").matches;
    const visible = new Set();
    const start = (pair) => {
      for (const video of pair.querySelectorAll("video")) {
        video.currentTime = 0;
        video.play().catch(() => { wanted = false; label(); });
      }
    };
    const stop = (pair) => pair.querySelectorAll("video").forEach((video) => video.pause());
    function label() {
      button.textContent = wanted ? "Pause all clips" : "Play all clips";
      button.setAttribute("aria-pressed", String(!wanted));
    }
    const watcher = new IntersectionObserver((changes) => {
      for (const { target, isIntersecting } of changes) {
        if (isIntersecting) visible.add(target); else visible.delete(target);
        if (isIntersecting && wanted) start(target); else stop(target);
      }
    });
    document.querySelectorAll("#pairs .pair").forEach((pair) => watcher.observe(pair));
    button.addEventListener("click", () => {
      wanted = !wanted;
      label();
      visible.forEach(wanted ? start : stop);
    });
    label();
  }

  /** What a cell is sorted by: a number where there is one, empty cells last. */
  function order(row, column) {
    const cell = row.cells[column];
    const text = cell.dataset.sort !== undefined ? cell.dataset.sort : cell.textContent;
    const number = Number(text);
    return text !== "" && !Number.isNaN(number) ? number : text;
  }

  function sortTables() {
    for (const table of document.querySelectorAll("[data-table]")) {
      const heads = [...table.tHead.rows[0].cells];
      heads.forEach((head, column) => {
        head.querySelector("button").addEventListener("click", () => {
          const rising = head.getAttribute("aria-sort") !== "ascending";
          heads.forEach((one) => one.setAttribute("aria-sort", "none"));
          head.setAttribute("aria-sort", rising ? "ascending" : "descending");
          const body = table.tBodies[0];
          const rows = [...body.rows].sort((one, other) => {
            const [a, b] = [order(one, column), order(other, column)];
            if (a === "" || b === "") return (a === "") - (b === "");
            const gap = typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b));
            return rising ? gap : -gap;
          });
          body.append(...rows);
        });
      });
    }
  }

  function filterTables() {
    for (const field of document.querySelectorAll("[data-filter]")) {
      const table = document.querySelector(`[data-table="${field.dataset.filter}"]`);
      const count = document.querySelector(`[data-count="${field.dataset.filter}"]`);
      field.addEventListener("input", () => {
        const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
        const rows = [...table.tBodies[0].rows];
        for (const row of rows) {
          const text = row.textContent.toLowerCase();
          row.hidden = !words.every((word) => text.includes(word));
        }
        const shown = rows.filter((row) => !row.hidden).length;
        count.textContent = words.length ? `${shown} of ${rows.length} rows` : "";
      });
    }
  }

  switchMode();
  playClips();
  sortTables();
  filterTables();
})();
