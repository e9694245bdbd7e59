"""Plots made of characters, for slow lines: from series to rows, and the thin widgets that show them."""
