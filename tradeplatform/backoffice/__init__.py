"""The back office as a whole: the site, its side bar, its first page."""
