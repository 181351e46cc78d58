"""Makes a LlavaVid folder to start training from: parts from Python packages, the Hub or chance."""
