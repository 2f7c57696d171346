"""The paper's tables: its printed records, and our numbers beside them."""

from mosaicbook.paper.records import DEVICES, READINGS, RECIPES, TABLES, Record, backbone_rows, protocol, records

__all__ = ["DEVICES", "READINGS", "RECIPES", "TABLES", "Record", "backbone_rows", "protocol", "records"]
