"""A page and an interface over HTTP to score videos with a student: uploads, the queue of jobs, answers, examples."""
