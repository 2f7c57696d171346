"""The workbook around mosaiclib: plans, runs, pages, explorer and command."""
