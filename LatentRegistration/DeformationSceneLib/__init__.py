"""The bridge between the Slicer-free backend and the MRML scene: volumes, transforms, segmentations, placement.

Everything that turns millimetres LPS (the backend, `DeformationLib.image`) into RAS and MRML nodes and back lives here
and nowhere else. Only the modules' own files import this package; it imports `slicer` and `vtk`, never `qt`.
"""
