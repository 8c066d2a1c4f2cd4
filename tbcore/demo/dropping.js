// Files that are dropped onto the chat, or pasted while the focus is in it, go to the kernel one by one.
// Only names and bytes are sent; nothing that arrives is shown from here.

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
  return () => leaving.abort();
}

export default { render };
