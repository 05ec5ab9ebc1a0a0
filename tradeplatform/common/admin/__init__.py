"""What back-office pages are made of: lists without counts, details of panels, buttons with a reason."""
