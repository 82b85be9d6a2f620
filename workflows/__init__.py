"""What is computed: VASP input sets, FireTasks, flows and studies."""
