"""Pictures: spectrograms, detections, scenes."""
