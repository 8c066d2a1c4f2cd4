// Files that are dropped onto the chat, or pasted while the focus is in it, go to the kernel one by one.
// Only names and bytes are sent; nothing that arrives is shown from here.
// Beside that, the focus comes back to a button that was switched off while it worked.

const HINT = "Pictures can also be dropped onto this chat, or pasted into it.";

const dropped = (transfer) => Array.from(transfer?.files ?? []);

// Office programs paste words with a picture of them beside: then the words are meant.
const pasted = (transfer) =>
  transfer?.types.includes("text/plain") ? [] : dropped(transfer).filter((file) => file.type.startsWith("image/"));

async function hand(model, files) {
  const most = model.get("most_files");
  for (const [number, file] of files.entries()) {
    const name = String(file.name || "picture");
    if (number >= most) {
      model.send({ kind: "too many", name });
    } else if (file.size > model.get("most_bytes")) {
      model.send({ kind: "too large", name });
    } else {
      model.send({ kind: "file", name }, undefined, [await file.arrayBuffer()]);
    }
  }
}

// What is being written goes to the kernel first: a picture stands behind the words that were there when it came.
function settle(home) {
  const field = document.activeElement;
  if (field?.tagName === "TEXTAREA" && home?.contains(field)) {
    field.dispatchEvent(new Event("change", { bubbles: true }));
  }
}

// A button that is switched off loses the focus, and whoever works with keys would have to begin at the top of the page.
function keepFocus(home, signal) {
  const options = { capture: true, signal };
  let last = null;
  document.addEventListener("pointerdown", () => { last = null; }, options);
  document.addEventListener("focusin", ({ target }) => { last = home()?.contains(target) ? target : null; }, options);
  const watching = new MutationObserver(() => {
    if (last?.isConnected && !last.disabled && document.activeElement === document.body) {
      last.focus({ preventScroll: true });
    }
  });
  watching.observe(document.body, { subtree: true, attributes: true, attributeFilter: ["disabled"] });
  return watching;
}

function render({ model, el }) {
  const hint = document.createElement("p");
  hint.textContent = HINT;
  hint.style.cssText = "margin:4px 0;color:inherit;font:inherit";
  el.append(hint);

  const leaving = new AbortController();
  // The document is asked first, so that the page around the chat does not take the files for its own.
  const options = { capture: true, signal: leaving.signal };
  const home = () => el.closest(`.${model.get("home")}`);
  const inside = (event) => Boolean(home()?.contains(event.target));
  const mark = (on) => home()?.classList.toggle("tbcore-drop-here", on);
  const take = (event, files) => {
    if (files.length && inside(event)) {
      event.preventDefault();
      event.stopPropagation();
      settle(home());
      hand(model, files);
    }
  };

  document.addEventListener("dragover", (event) => {
    const ours = inside(event) && event.dataTransfer?.types.includes("Files");
    mark(Boolean(ours));
    if (ours) {
      event.preventDefault();
      event.stopPropagation();
      event.dataTransfer.dropEffect = "copy";
    }
  }, options);
  document.addEventListener("dragleave", (event) => { if (!event.relatedTarget) mark(false); }, options);
  document.addEventListener("drop", (event) => { mark(false); take(event, dropped(event.dataTransfer)); }, options);
  document.addEventListener("paste", (event) => take(event, pasted(event.clipboardData)), options);
  const watching = keepFocus(home, leaving.signal);
  return () => { leaving.abort(); watching.disconnect(); };
}

export default { render };
