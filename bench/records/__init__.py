"""What is written: the lines of a run file, reading and writing it, and where a run came from."""
