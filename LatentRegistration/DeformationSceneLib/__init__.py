"""The bridge between the Slicer-free backend and Slicer: nodes, placement, background work, installation, dialogs.

Everything that turns millimetres LPS (the backend, `DeformationLib.image`) into RAS and MRML nodes and back lives here
and nowhere else. Only the modules' own files import this package; it imports `slicer` and `vtk`, `qt` where events are
handled, and torch never at file scope.
"""
