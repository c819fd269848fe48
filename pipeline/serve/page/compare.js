/** One or two players that move together: side by side, or one over the other with a wipe between them. */

const FAR_S = 0.3; // a player that is this far from the other jumps
const NEAR_S = 0.015; // and is left alone when it is this near; between the two it runs a little faster or slower
const PICTURE_S = 1 / 25; // until the length of a picture is known

/** How long a video shows one picture: the shortest time seen between two, since a busy computer leaves pictures out. */
export class Pace {
  constructor() {
    this.last = null;
    this.shortest = null;
  }

  /** Note a picture that is shown while the video plays, by its time in the video in seconds. */
  see(time) {
    const gap = this.last === null ? 0 : time - this.last;
    this.last = time;
    if (gap > 0.004 && gap < 0.2 && gap < (this.shortest ?? 1)) this.shortest = gap;
  }

  /** The next picture does not follow the last one: somebody moved to another place. */
  jump() {
    this.last = null;
  }

  get seconds() {
    return this.shortest ?? PICTURE_S;
  }
}

export class Stage {
  /**
   * @param {(id: string) => HTMLElement} find
   * @param {(time: number) => void} moved  called when the position has changed
   * @param {() => void} settled  called when it is worth to be remembered
   */
  constructor(find, moved, settled) {
    this.find = find;
    this.moved = moved;
    this.settled = settled;
    this.videos = {};
    this.wanted = 0;
    this.paces = new WeakMap();
    this.root = find("stage");
    this.seekBar = find("seek");
    this.wipeBar = find("wipe");
    find("play").addEventListener("click", () => this.toggle());
    find("back").addEventListener("click", () => this.step(-1));
    find("forward").addEventListener("click", () => this.step(1));
    this.seekBar.addEventListener("input", () => this.seek(Number(this.seekBar.value)));
    this.wipeBar.addEventListener("input", () => this.wipe(Number(this.wipeBar.value)));
    this.wipeBar.addEventListener("change", settled);
    for (const radio of document.querySelectorAll("[name='view']")) {
      radio.addEventListener("change", () => { this.view(radio.value); settled(); });
    }
    this.root.addEventListener("keydown", (event) => this.key(event));
    this.root.addEventListener("pointerdown", (event) => this.drag(event));
    this.root.addEventListener("pointermove", (event) => { if (event.buttons) this.drag(event); });
    this.root.addEventListener("pointerup", settled);
  }

  pane(slot) {
    return this.root.querySelector(`.pane.${slot}`);
  }

  /** Put a file, or a line about a video that is not here, into a pane. */
  load(slot, caption, file, absent) {
    this.unload(slot);
    const pane = this.pane(slot), frame = pane.querySelector(".frame");
    pane.hidden = false;
    pane.querySelector("figcaption").textContent = `${slot.toUpperCase()}: ${caption}`;
    if (!file) frame.append(line(absent));
    else if (file.type.startsWith("image/")) frame.append(picture(file, caption));
    else frame.append(this.player(slot, file));
    this.arrange();
  }

  player(slot, file) {
    const video = Object.assign(document.createElement("video"), { muted: true, playsInline: true, preload: "auto" });
    video.src = URL.createObjectURL(file);
    video.addEventListener("loadedmetadata", () => {
      this.videos[slot] = video;
      this.paces.set(video, new Pace());
      if (this.wanted) video.currentTime = Math.min(this.wanted, video.duration);
      this.arrange();
      this.follow(video);
    });
    video.addEventListener("error", () => {
      URL.revokeObjectURL(video.src);
      video.replaceWith(line("This browser cannot play the file. Its score and its curve are those of the whole file all the same."));
      delete this.videos[slot];
      this.arrange();
    });
    video.addEventListener("ended", () => { if (video === this.leader) this.pause(); });
    video.addEventListener("seeked", () => this.show());
    return video;
  }

  unload(slot) {
    const pane = this.pane(slot);
    for (const one of pane.querySelectorAll("video, img")) {
      const { src } = one;
      one.removeAttribute("src");
      if (src.startsWith("blob:")) URL.revokeObjectURL(src);
    }
    pane.querySelector(".frame").replaceChildren();
    pane.hidden = true;
    delete this.videos[slot];
    this.arrange();
  }

  get both() {
    return !this.pane("a").hidden && !this.pane("b").hidden;
  }

  /** The longer video gives the time. */
  get leader() {
    return Object.values(this.videos).sort((one, other) => other.duration - one.duration)[0] || null;
  }

  get time() {
    return this.leader ? this.leader.currentTime : this.wanted;
  }

  get chosen() {
    return document.querySelector("[name='view']:checked").value;
  }

  arrange() {
    this.find("views").hidden = !this.both;
    this.root.dataset.view = this.both ? this.chosen : this.pane("b").hidden ? "a" : "b";
    this.find("wipe-row").hidden = this.root.dataset.view !== "wipe";
    this.wipe(Number(this.wipeBar.value));
    const { leader } = this;
    this.find("watch").querySelector(".controls").hidden = !leader;
    this.seekBar.max = leader ? leader.duration : 1;
    this.show();
  }

  view(name) {
    document.querySelector(`[name='view'][value='${name}']`).checked = true;
    this.arrange();
  }

  /** Show the first video to the left of a place, in percent of the width, and the second to its right. */
  wipe(place) {
    const on = this.root.dataset.view === "wipe";
    this.wipeBar.value = place;
    this.find("line").style.left = `${place}%`;
    this.pane("a").querySelector(".frame").style.clipPath = on ? `inset(0 ${100 - place}% 0 0)` : "";
    this.pane("b").querySelector(".frame").style.clipPath = on ? `inset(0 0 0 ${place}%)` : "";
  }

  drag(event) {
    if (this.root.dataset.view !== "wipe" || event.button > 0) return;
    const { left, width } = this.root.getBoundingClientRect();
    this.wipe(Math.min(Math.max((100 * (event.clientX - left)) / width, 0), 100));
  }

  get playing() {
    return Boolean(this.leader) && !this.leader.paused;
  }

  toggle() {
    if (this.playing) this.pause();
    else this.play();
  }

  async play() {
    const { leader } = this;
    if (!leader) return;
    if (leader.ended || leader.currentTime >= leader.duration - 0.02) this.seek(0);
    await Promise.all(Object.values(this.videos).map((video) => video.play().catch(() => video.pause())));
    this.show();
  }

  pause() {
    for (const video of Object.values(this.videos)) {
      video.pause();
      video.playbackRate = 1;
      if (video !== this.leader) video.currentTime = Math.min(this.time, video.duration);
    }
    this.wanted = this.time;
    this.show();
    this.settled();
  }

  seek(time) {
    this.wanted = Math.max(0, this.leader ? Math.min(time, this.leader.duration) : time);
    for (const video of Object.values(this.videos)) video.currentTime = Math.min(this.wanted, video.duration);
    this.show();
    if (!this.playing) this.settled();
  }

  /** One picture back or forward, both players. */
  step(count) {
    if (this.playing) this.pause();
    this.seek(this.time + count * (this.leader ? this.paces.get(this.leader).seconds : PICTURE_S));
  }

  /** After every picture of the leader the other one is brought to its time. */
  follow(video) {
    const pace = this.paces.get(video);
    video.addEventListener("seeking", () => pace.jump());
    const look = (_now, facts) => {
      if (!video.isConnected) return;
      if (!video.paused && !video.seeking) pace.see(facts.mediaTime);
      if (video === this.leader) {
        this.pull();
        this.show();
      }
      video.requestVideoFrameCallback(look);
    };
    if ("requestVideoFrameCallback" in video) video.requestVideoFrameCallback(look);
    else video.addEventListener("timeupdate", () => { this.pull(); this.show(); });
  }

  pull() {
    const { leader } = this;
    for (const video of Object.values(this.videos)) {
      if (video === leader || leader.paused || video.ended) continue;
      const gap = video.currentTime - leader.currentTime;
      if (Math.abs(gap) > FAR_S) video.currentTime = leader.currentTime;
      video.playbackRate = Math.abs(gap) > NEAR_S ? 1 - Math.max(-0.2, Math.min(0.2, 2 * gap)) : 1;
      if (video.paused && leader.currentTime < video.duration) video.play().catch(() => video.pause());
    }
  }

  show() {
    const { leader } = this;
    const button = this.find("play");
    button.textContent = this.playing ? "Pause" : "Play";
    button.setAttribute("aria-pressed", String(this.playing));
    if (!leader) return;
    this.seekBar.value = leader.currentTime;
    this.find("time").textContent = `${leader.currentTime.toFixed(2)} of ${leader.duration.toFixed(1)} s`;
    this.moved(leader.currentTime);
  }

  key(event) {
    const deeds = {
      " ": () => this.toggle(),
      ArrowLeft: () => this.seek(this.time - 1),
      ArrowRight: () => this.seek(this.time + 1),
      ",": () => this.step(-1),
      ".": () => this.step(1),
    };
    if (event.target !== this.root || !(event.key in deeds)) return;
    event.preventDefault();
    deeds[event.key]();
  }
}

function line(text) {
  return Object.assign(document.createElement("p"), { textContent: text });
}

function picture(file, caption) {
  return Object.assign(document.createElement("img"), { src: URL.createObjectURL(file), alt: caption });
}
