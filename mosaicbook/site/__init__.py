"""Report pages from run folders."""

from mosaicbook.site.index import build_site

__all__ = ["build_site"]
