"""AWS IoT Jobs from the thing's side: what is asked, what answers mean, what becomes of a job. Pure."""
