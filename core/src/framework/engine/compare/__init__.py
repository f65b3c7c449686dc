"""What differs between two runs, or two versions of a function: what went in, what surrounded it, what came out."""
