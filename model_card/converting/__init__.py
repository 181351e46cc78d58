"""Makes a LlavaVid folder out of a released LLaMA-VID folder, and checks it against the source."""
