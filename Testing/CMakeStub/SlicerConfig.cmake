# Stand-in of Slicer's build for tests: records what would be installed, builds nothing.
#
# cmake -S . -B build -DSlicer_DIR=Testing/CMakeStub -DCMAKE_TOOLCHAIN_FILE=Testing/CMakeStub/NoCompiler.cmake
#
# build/recorded.txt gets a line "<kind>|<destination>|<source file>" for every file and "<variable>=<value>" for what
# the extension says of itself.

set(Slicer_USE_FILE ${CMAKE_CURRENT_LIST_DIR}/UseSlicer.cmake)
set(Slicer_EXTENSION_GENERATE_CONFIG ${CMAKE_CURRENT_LIST_DIR}/SlicerExtensionGenerateConfig.cmake)
set(Slicer_EXTENSION_CPACK ${CMAKE_CURRENT_LIST_DIR}/SlicerExtensionCPack.cmake)
