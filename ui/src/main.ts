import { mount } from 'svelte'
import './app.css'
import App from './App.svelte'
import { begin } from './first'

const target = document.getElementById('app')
if (!target) throw new Error('index.html has no #app')

begin(location.pathname)
mount(App, { target })
