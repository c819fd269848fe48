/** What the page asks of the service: facts, kept answers, examples, and scores with their progress. */

const KEY = "w2s-token";

/** The service says no; `kind` and `message` are its own. */
export class Refused extends Error {
  constructor(status, problem) {
    super((problem && problem.message) || `the service answered with status ${status}`);
    this.status = status;
    this.kind = (problem && problem.kind) || "";
  }
}

/** Keep a token for this tab alone. */
export function keepToken(token) {
  sessionStorage.setItem(KEY, token);
}

function headers(more = {}) {
  const token = sessionStorage.getItem(KEY);
  return token ? { ...more, Authorization: `Bearer ${token}` } : more;
}

function problemIn(text) {
  try {
    return JSON.parse(text).error;
  } catch {
    return null; // something between the service and this page has answered
  }
}

async function get(path) {
  const response = await fetch(path, { headers: headers() });
  if (!response.ok) throw new Refused(response.status, problemIn(await response.text()));
  return response;
}

export async function about() {
  return (await get("api/about")).json();
}

export async function kept(digest) {
  return (await get(`api/scores/${encodeURIComponent(digest)}`)).json();
}

export async function example({ name, title, file }) {
  const blob = await (await get(`api/examples/${encodeURIComponent(name)}`)).blob();
  return Object.assign(new File([blob], file, { type: "video/mp4" }), { example: name, title });
}

/**
 * Send a file and get its answer.
 * @param {File} file
 * @param {(event: object) => void} tell  called with {state: "sending" | "waiting" | "running", ...}
 * @param {AbortSignal} signal
 * @returns {Promise<object>} the answer
 */
export function score(file, tell, signal) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest(); // fetch does not tell how much of a body has been sent
    let read = 0;
    request.open("POST", `api/scores?name=${encodeURIComponent(file.name)}`);
    for (const [name, value] of Object.entries(headers({ Accept: "application/x-ndjson" }))) request.setRequestHeader(name, value);
    request.upload.addEventListener("progress", (event) => tell({ state: "sending", done: event.loaded, total: event.total }));
    function lines() {
      if (request.status !== 200) return;
      const end = request.responseText.lastIndexOf("\n") + 1;
      for (const line of request.responseText.slice(read, end).split("\n").filter(Boolean)) {
        const event = JSON.parse(line);
        if (event.state === "done") resolve(event.answer);
        else if (event.state === "failed") reject(new Refused(event.status, event.error));
        else tell(event);
      }
      read = end;
    }
    request.addEventListener("progress", lines);
    request.addEventListener("load", () => {
      lines();
      // without effect where an answer has come
      reject(new Refused(request.status, request.status === 200 ? { message: "the service stopped before the answer" } : problemIn(request.responseText)));
    });
    request.addEventListener("error", () => reject(new Refused(0, { message: "the service cannot be reached; is it running?" })));
    request.addEventListener("abort", () => reject(new DOMException("cancelled", "AbortError")));
    signal.addEventListener("abort", () => request.abort());
    request.send(file);
  });
}
