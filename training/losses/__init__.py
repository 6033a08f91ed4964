"""What a student is told, term by term."""
