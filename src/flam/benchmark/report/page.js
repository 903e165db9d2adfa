for (const scene of document.querySelectorAll(".scene")) {
  const audio = scene.querySelector("audio"), stack = scene.querySelector(".stack");
  const cursor = scene.querySelector(".cursor"), length = Number(scene.dataset.length);
  const follow = () => {
    cursor.style.display = "block";
    cursor.style.left = `${100 * Math.min(1, audio.currentTime / length)}%`;
    if (!audio.paused) requestAnimationFrame(follow);
  };
  audio.addEventListener("play", () => {
    for (const other of document.querySelectorAll("audio")) if (other !== audio) other.pause();
    follow();
  });
  audio.addEventListener("seeked", follow);
  stack.addEventListener("click", (event) => {
    const box = stack.getBoundingClientRect();
    audio.currentTime = (length * (event.clientX - box.left)) / box.width;
    audio.play();
  });
}
