// A button that takes one image from the camera. What it sees stays in the browser until that image goes to the kernel.

function camera(tools, take, say) {
  const offer = "Use the camera";
  const button = make(tools, "button", { type: "button", textContent: offer, hidden: !navigator.mediaDevices });
  let video = null;

  function stop() {
    if (!video) return;
    for (const track of video.srcObject.getTracks()) track.stop();
    video.remove();
    video = null;
    button.textContent = offer;
  }

  async function start() {
    const srcObject = await navigator.mediaDevices.getUserMedia({ video: { width: { ideal: 1280 } } });
    video = make(tools, "video", { srcObject, muted: true, playsInline: true, width: 240, ariaLabel: "The camera" });
    await video.play();
    button.textContent = "Take the image";
  }

  button.addEventListener("click", () => {
    if (!video) {
      start().catch((error) => {
        stop();
        say(`The camera cannot be used: ${error.message}.`);
      });
      return;
    }
    const [width, height] = [video.videoWidth, video.videoHeight];
    const canvas = Object.assign(document.createElement("canvas"), { width, height });
    canvas.getContext("2d").drawImage(video, 0, 0);
    stop();
    canvas.toBlob((blob) => take(new File([blob], "camera.png")), "image/png");
  });
  return stop;
}
