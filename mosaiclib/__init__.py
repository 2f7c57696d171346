"""mosaiclib: the models, data and measurements of the MOSAIC workbook."""
