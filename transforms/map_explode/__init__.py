"""A Singer inline mapper that makes several rows of one record: explode, flatten, map."""
