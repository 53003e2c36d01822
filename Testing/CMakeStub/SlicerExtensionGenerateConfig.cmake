# Slicer writes the file by which other extensions find this one; there is nothing to record.
