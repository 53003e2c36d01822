"""A headless host for scripted modules: what Slicer's application adds to the real MRML classes of `slicer-core`."""
