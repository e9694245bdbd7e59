"""The story of a project as one document: what it says, and how it reads as a page, as text and as tables."""
